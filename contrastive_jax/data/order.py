"""Which examples a step sees: a pure function of (seed, step), so a resumed run needs no iterator state."""

import dataclasses
import functools

import numpy as np
from jaxtyping import Int64

from contrastive_jax.data.samplers import Labels, Sampler


@dataclasses.dataclass(frozen=True, eq=False)
class Order:
    """The global batches of a run, drawn by a sampler from the examples that `labels` describes."""

    sampler: Sampler
    labels: Labels
    seed: int
    batch_size: int

    def __post_init__(self):
        self.sampler.check(self.labels, self.batch_size)

    @property
    def steps_per_epoch(self) -> int:
        return steps_per_epoch(len(self.labels), self.batch_size)

    def at(self, step: int) -> Int64[np.ndarray, " batch"]:
        """The batch of one training step, counted from 0: rows of the data set."""
        epoch, position = divmod(step, self.steps_per_epoch)
        return self._epoch(epoch)[position]

    @functools.cached_property
    def _epoch(self):
        @functools.lru_cache(maxsize=4)
        def table(epoch: int) -> Int64[np.ndarray, "step batch"]:
            rows = self.sampler.epoch(self.labels, self.seed, epoch, self.batch_size)
            rows.flags.writeable = False  # it is shared
            return rows

        return table


def steps_per_epoch(size: int, batch_size: int) -> int:
    """Full batches in one pass over `size` examples."""
    return size // batch_size
