"""Which examples a step sees: a pure function of (seed, step), so resuming a run needs no iterator state."""

import dataclasses

import numpy as np
from jaxtyping import Int64

from contrastive_jax.data.samplers import Labels, Sampler

KEPT = 2  # epochs whose tables are cached, for readers that run ahead


@dataclasses.dataclass(frozen=True, eq=False)
class Order:
    """The global batches of a run, drawn by a sampler from the examples with these labels."""

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
        """The rows of the data set in the batch of step `step`, counted from 0."""
        epoch, position = divmod(step, self.steps_per_epoch)
        rows = self._epochs.get(epoch)
        if rows is None:
            rows = self.sampler.epoch(self.labels, self.seed, epoch, self.batch_size)
            rows.flags.writeable = False  # the table is shared
            # Threads that read ahead may run these lines concurrently, which is harmless.
            for old in list(self._epochs)[: 1 - KEPT]:
                self._epochs.pop(old, None)
            self._epochs[epoch] = rows
        return rows[position]


def steps_per_epoch(size: int, batch_size: int) -> int:
    """The number of full batches in `size` examples."""
    return size // batch_size
