"""The top-level fields of a linear evaluation."""

import dataclasses

from contrastive_jax.errors import InputError, nearest

JUDGED = ("student", "teacher")


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Top-level fields of a linear evaluation's config."""

    pretrained: str = ""
    """Run directory of the pretraining."""
    folder: str = "linear_eval"
    """Folder in the run directory for the results; one for every way to judge."""
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
    knn: tuple[int, ...] = (20, 200)
    """Numbers of neighbours; (): no k-NN."""
    controls: bool = True
    """Also judge the untrained encoder and raw pixels."""

    def __post_init__(self):
        if self.judged not in JUDGED:
            raise InputError(f"config.judged is '{self.judged}': {nearest(self.judged, JUDGED)}")
