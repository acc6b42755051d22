"""The loop under everything that is streamed: tiles of rows against tiles of columns, never the whole matrix.

A statistic, a gradient or a KL is a `fold` of one tile of columns into a value per row. The loop does not know
which one it runs. `sweep` covers the columns on this device, `ring_sweep` those of all devices of a mesh axis.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from contrastive_jax.parallel.mesh import platform

# Rows and columns of a tile. 1024 x 1024 float32 (4 MiB) is as fast as any on two CPU cores; an accelerator
# wants more work per kernel, and 16 MiB still fit the 50 MiB L2 cache of an H100 (not timed on one).
TILE = {"cpu": 1024}
TILE_ELSEWHERE = 2048

Tree = Any
Fold = Callable[[Tree, Tree, Tree], Tree]
"""(carry of some rows, those rows, some columns) -> carry of those rows."""


def sweep(fold: Fold, carry: Tree, rows: Tree, columns: Tree, tile: int) -> Tree:
    """Folds all columns into each row: `fold(... fold(carry_i, row_i, first tile) ..., row_i, last tile)`.

    Args:
      fold: takes one tile of columns into the carry of one tile of rows.
      carry, rows: pytrees of arrays [n, ...].
      columns: pytree of arrays [k, ...].
      tile: the largest number of rows, and of columns, in a tile.
    """

    def fold_rows(start, size, carry):
        these, so_far = _slice(rows, start, size), _slice(carry, start, size)
        folded = fold_blocks(
            _length(columns), tile, lambda at, width, c: fold(c, these, _slice(columns, at, width)), so_far
        )
        return jax.tree.map(lambda c, f: lax.dynamic_update_slice_in_dim(c, f, start, 0), carry, folded)

    return fold_blocks(_length(rows), tile, fold_rows, carry)


def ring_sweep(fold: Fold, carry: Tree, rows: Tree, columns: Tree, tile: int, axis: str) -> Tree:
    """`sweep` over the columns of all devices of the mesh axis `axis`, which travel from device to device.

    Memory per device falls from all columns to two shards of them, at the price of one send per hop. It pays
    off beyond some millions of rows, so `auto` never picks it.
    """
    devices = lax.axis_size(axis)
    # What travels differs between devices, even where it starts out equal (rows without identity).
    like = next(a for a in jax.tree.leaves(columns) if jnp.issubdtype(a.dtype, jnp.inexact))
    columns = jax.tree.map(lambda a: varying_like(a, like), columns)
    to_next = [(i, (i + 1) % devices) for i in range(devices)]

    def hop(_, state):
        carry, here = state
        # Sent first: the transfer does not depend on the sweep and overlaps with it. The last hop returns every
        # shard to its owner: one send more than needed, but half the program to compile.
        coming = jax.tree.map(lambda a: lax.ppermute(a, axis, to_next), here)
        return sweep(fold, carry, rows, here, tile), coming

    return lax.fori_loop(0, devices, hop, (carry, columns))[0]


def fold_blocks(length: int, target: int, body: Callable[[Any, int, Tree], Tree], carry: Tree) -> Tree:
    """Folds `body(start, size, carry)` over [0, length) in blocks of about `target`."""
    size = block_size(length, target)
    blocks, rest = divmod(length, size)
    if blocks == 1:
        carry = body(0, size, carry)
    else:
        carry = lax.fori_loop(0, blocks, lambda i, c: body(i * size, size, c), carry)
    return body(length - rest, rest, carry) if rest else carry


def tile_size() -> int:
    """The tile of the devices that the program is for."""
    return TILE.get(platform(), TILE_ELSEWHERE)


def block_size(n: int, target: int) -> int:
    """`n` itself up to `target`, else the largest divisor of `n` in (target/2, target], else `target`."""
    if n <= target:
        return n
    divisors = (size for size in range(target, target // 2, -1) if n % size == 0)
    return next(divisors, target)


def full_like(shape: tuple[int, ...], value: float, dtype: Any, like: jax.Array) -> jax.Array:
    """A constant that varies over the mesh axes of `like`, as the carry of a loop inside `shard_map` must."""
    return varying_like(jnp.full(shape, value, dtype), like)


def varying_like(value: jax.Array, like: jax.Array) -> jax.Array:
    """`value`, typed as varying over the mesh axes of `like`; its gradient is summed over them.

    The type comes from a `where` on `like` that XLA removes. Unlike `lax.pcast` this needs no axis names, so it
    works with `check_vma` on, off, and outside `shard_map`.
    """
    return jnp.where(jnp.isnan(like.ravel()[0]), value, value)


def _length(tree: Tree) -> int:
    return jax.tree.leaves(tree)[0].shape[0]


def _slice(tree: Tree, start: Any, size: int) -> Tree:
    return jax.tree.map(lambda a: lax.dynamic_slice_in_dim(a, start, size), tree)
