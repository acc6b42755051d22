"""The ring: columns travel from device to device instead of being gathered.

Memory per device falls from all columns to two shards of them, at the price of one send per hop. It pays
beyond some millions of rows; `auto` never picks it.
"""

import jax
from jax import lax

from contrastive_jax.similarity.sweep import Fold, Tree
from contrastive_jax.similarity.sweep import sweep as sweep_local


def sweep(fold: Fold, carry: Tree, x: Tree, y: Tree, tile: int, axis: str) -> Tree:
    """`sweep.sweep` of this device's rows over the columns of all devices of the mesh axis `axis`."""
    devices = lax.axis_size(axis)
    to_next = [(i, (i + 1) % devices) for i in range(devices)]

    def hop(_, state):
        carry, here = state
        # Sent first: the transfer does not depend on the sweep and overlaps with it.
        coming = jax.tree.map(lambda a: lax.ppermute(a, axis, to_next), here)
        return sweep_local(fold, carry, x, here, tile), coming

    carry, last = lax.fori_loop(0, devices - 1, hop, (carry, y))
    return sweep_local(fold, carry, x, last, tile)
