"""The ring: columns travel from device to device instead of being gathered.

Memory per device falls from all columns to two shards of them, at the price of one send per hop. It pays
beyond some millions of rows; `auto` never picks it.
"""

import jax
import jax.numpy as jnp
from jax import lax

from contrastive_jax.similarity.sweep import Fold, Tree, vary
from contrastive_jax.similarity.sweep import sweep as sweep_local


def sweep(fold: Fold, carry: Tree, x: Tree, y: Tree, tile: int, axis: str) -> Tree:
    """`sweep.sweep` of this device's rows over the columns of all devices of the mesh axis `axis`."""
    devices = lax.axis_size(axis)
    # What travels differs from device to device, also where it started out the same (rows without identity).
    like = next(a for a in jax.tree.leaves(y) if jnp.issubdtype(a.dtype, jnp.inexact))
    y = jax.tree.map(lambda a: vary(a, like), y)
    to_next = [(i, (i + 1) % devices) for i in range(devices)]

    def hop(_, state):
        carry, here = state
        # Sent first: the transfer does not depend on the sweep and overlaps with it. The last one brings every
        # shard home again: one send too many, for half the program to compile.
        coming = jax.tree.map(lambda a: lax.ppermute(a, axis, to_next), here)
        return sweep_local(fold, carry, x, here, tile), coming

    return lax.fori_loop(0, devices, hop, (carry, y))[0]
