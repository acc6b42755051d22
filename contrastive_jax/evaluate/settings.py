"""What a linear evaluation is told beside its protocol."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """The fields of a linear evaluation's config that stand in no section."""

    pretrained: str = ""
    """Run directory of the pretraining."""
    folder: str = "linear_eval"
    """Where in the run directory the findings go; one folder for every way to judge."""
    step: int = -1
    """Checkpoint to judge; -1: the newest."""
    source: str = ""
    """Data set to judge on; empty: that of the pretraining."""
    data_dir: str = ""
    """Where that data set lies."""
    batch_size: int = 512
    """Images that the encoder sees at a time."""
    knn: tuple[int, ...] = (20, 200)
    """Numbers of neighbours; (): no k-NN."""
    controls: bool = True
    """Also judge the untrained encoder and raw pixels."""
