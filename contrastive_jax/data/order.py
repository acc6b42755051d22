"""Which examples a step sees: a pure function of (seed, step), so a resumed run needs no iterator state."""

import functools

import numpy as np
from jaxtyping import Int64


def batch_indices(seed: int, step: int, size: int, batch_size: int) -> Int64[np.ndarray, " batch"]:
    """The global batch of one training step, counted from 0: rows of the data set.

    An epoch is `size // batch_size` steps over a fresh permutation; the examples that do not fill a last
    batch are dropped for that epoch (other ones in every epoch), so every step has the same shape.
    """
    epoch, position = divmod(step, steps_per_epoch(size, batch_size))
    return epoch_order(seed, epoch, size)[position * batch_size : (position + 1) * batch_size]


def steps_per_epoch(size: int, batch_size: int) -> int:
    """Full batches in one pass over `size` examples."""
    return size // batch_size


@functools.lru_cache(maxsize=4)
def epoch_order(seed: int, epoch: int, size: int) -> Int64[np.ndarray, " size"]:
    """A permutation of 0..size-1 that depends on (seed, epoch) alone; read-only, since it is cached.

    Sorting raw words of the bit generator, not `Generator.permutation`: numpy promises the streams of
    SeedSequence and PCG64 for ever, but may change what Generator makes of them (NEP 19), and a run may be
    resumed under another numpy. Equal 64-bit words keep their positions.
    """
    words = np.random.PCG64(np.random.SeedSequence((seed, epoch))).random_raw(size)
    order = np.argsort(words, kind="stable").astype(np.int64)
    order.flags.writeable = False
    return order
