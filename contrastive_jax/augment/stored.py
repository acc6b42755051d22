"""Where an intermediate result is to be stored, so that what follows does not compute it again."""

from typing import Any

from jax import lax
from jaxtyping import Array


def stored(x: Array) -> Any:
    """`x`, with a leading axis of 2 or more, stored on a CPU; elsewhere just `x`.

    XLA fuses chains of operations. On a GPU that saves memory traffic. On a CPU every use of an intermediate in
    such a chain computes it, and all before it, again: once per channel, per neighbour, per entry of a table
    (AutoAugment takes 8 times as long). The loop is a border that XLA does not fuse across; a barrier alone is none.
    """

    def copied(x):
        return lax.map(lax.optimization_barrier, x)

    return lax.platform_dependent(x, cpu=copied, default=lambda x: x)
