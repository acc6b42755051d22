"""Which examples a step sees: a pure function of (seed, step), so a resumed run needs no iterator state."""

import dataclasses

import numpy as np
from jaxtyping import Int64

from contrastive_jax.data.samplers import Labels, Sampler

KEPT = 2  # epochs' tables, for readers that work ahead


@dataclasses.dataclass(frozen=True, eq=False)
class Order:
    """The global batches of a run, drawn by a sampler from the examples that `labels` describes."""

    sampler: Sampler
    labels: Labels
    seed: int
    batch_size: int
    _epochs: dict[int, Int64[np.ndarray, "step batch"]] = dataclasses.field(default_factory=dict, init=False)

    def __post_init__(self):
        self.sampler.check(self.labels, self.batch_size)

    @property
    def steps_per_epoch(self) -> int:
        return steps_per_epoch(len(self.labels), self.batch_size)

    def at(self, step: int) -> Int64[np.ndarray, " batch"]:
        """The batch of one training step, counted from 0: rows of the data set."""
        epoch, position = divmod(step, self.steps_per_epoch)
        rows = self._epochs.get(epoch)
        if rows is None:
            rows = self.sampler.epoch(self.labels, self.seed, epoch, self.batch_size)
            rows.flags.writeable = False  # it is shared
            for old in list(self._epochs)[
                : 1 - KEPT
            ]:  # several threads may read ahead, so each step is harmless
                self._epochs.pop(old, None)
            self._epochs[epoch] = rows
        return rows[position]


def steps_per_epoch(size: int, batch_size: int) -> int:
    """Full batches in one pass over `size` examples."""
    return size // batch_size
