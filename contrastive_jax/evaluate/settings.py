"""The top-level fields of the configs of `linear_eval` and `evaluate`."""

import dataclasses

from contrastive_jax.errors import InputError, nearest

JUDGED = ("student", "teacher")


@dataclasses.dataclass(frozen=True)
class Judgement:
    """What is judged, and on which images."""

    pretrained: str = ""
    """Run directory of the pretraining."""
    step: int = -1
    """Checkpoint to judge; -1: the newest."""
    judged: str = "student"
    """`student`, or `teacher`: the slow copy that BYOL, MoCo and SDSSL keep, for example. SDSSL judges its teachers."""
    source: str = ""
    """Data set to judge on; empty: that of the pretraining run."""
    data_dir: str = ""
    """Folder of that data set."""
    train_split: str = ""
    """What the classifiers are trained on; empty: the run's, or `train` of another data set."""
    test_split: str = ""
    """What they are tested on; empty: the run's, or `test` of another data set."""
    batch_size: int = 512
    """Images that the encoder sees at a time."""

    def __post_init__(self):
        if self.judged not in JUDGED:
            raise InputError(f"config.judged is '{self.judged}': {nearest(self.judged, JUDGED)}")


@dataclasses.dataclass(frozen=True)
class Evaluation(Judgement):
    """Top-level fields of a linear evaluation's config."""

    folder: str = "linear_eval"
    """Folder in the run directory for the results; one for every way to judge."""
    linear: bool = True
    """Train linear classifiers on the frozen features; False: the run's own classifier and k-NN alone."""
    knn: tuple[int, ...] = (20, 200)
    """Numbers of neighbours; (): no k-NN."""
    controls: bool = True
    """Also judge the untrained encoder and raw pixels, with linear classifiers."""


@dataclasses.dataclass(frozen=True)
class Evaluations(Judgement):
    """Top-level fields of the config of `evaluate`. Its sections are the evaluations."""

    folder: str = "evaluate"
    """Folder in the run directory for the results."""
    held_split: str = ""
    """Labelled images on which penalties, temperatures and thresholds are chosen, `train[90%:]` for example, best ones
    that the encoder was not trained on; empty: a share of the training images."""
    holdout: float = 0.1
    """That share. The classifiers are trained on the rest, and on all once a penalty is chosen."""
    keep_features: bool = True
    """Keep the features in `features/` of the run directory, for its next evaluation."""

    def __post_init__(self):
        super().__post_init__()
        if not 0 < self.holdout < 1:
            raise InputError(f"config.holdout is {self.holdout}: give a share between 0 and 1.")
