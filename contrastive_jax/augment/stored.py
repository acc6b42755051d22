"""Marks an intermediate result to be stored, so that later operations do not recompute it."""

from typing import Any

from jax import lax
from jaxtyping import Array


def stored(x: Array) -> Any:
    """Stores `x`, which needs a leading axis of 2 or more, on a CPU; elsewhere returns it as it is.

    XLA fuses chains of operations. On a GPU that saves memory traffic. On a CPU, every use of an intermediate result
    in such a chain recomputes it and all that precedes it: per channel, per neighbour, per table entry (AutoAugment
    takes 8 times as long). XLA does not fuse across the loop; it does fuse across a barrier without a loop.
    """

    def copied(x):
        return lax.map(lax.optimization_barrier, x)

    return lax.platform_dependent(x, cpu=copied, default=lambda x: x)
