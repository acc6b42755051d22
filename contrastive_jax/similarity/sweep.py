"""The one loop of the streaming implementations: tiles of rows against tiles of columns, never the matrix.

A statistic, a gradient or a KL is a `fold` that takes one tile of columns into a value per row. Nothing
here knows which.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

# Rows and columns of a tile. 1024 x 1024 float32 (4 MiB) is as fast as any on two CPU cores; an accelerator
# wants more work per kernel, and 16 MiB still fit the 50 MiB L2 cache of an H100 (not timed on one).
TILE = {"cpu": 1024}
TILE_ELSEWHERE = 2048

Tree = Any
Fold = Callable[[Tree, Tree, Tree], Tree]


def sweep(fold: Fold, carry: Tree, x: Tree, y: Tree, tile: int) -> Tree:
    """`carry_i = fold(... fold(carry_i, x_i, y_first) ..., y_last)` for every row i.

    Args:
      fold: (carry of some rows, those rows, some columns) -> carry of those rows.
      carry, x: pytrees of arrays [n, ...].
      y: pytree of arrays [k, ...].
      tile: the most rows, and columns, at a time.
    """

    def rows(start, size, carry):
        block = _over_columns(fold, _slice(carry, start, size), _slice(x, start, size), y, tile)
        return jax.tree.map(lambda c, b: lax.dynamic_update_slice_in_dim(c, b, start, 0), carry, block)

    return in_blocks(_length(x), tile, rows, carry)


def in_blocks(length: int, target: int, body: Callable[[Any, int, Tree], Tree], carry: Tree) -> Tree:
    """Folds `body(start, size, carry)` over [0, length) in blocks of about `target`, in place."""
    size = block_size(length, target)
    blocks, rest = divmod(length, size)
    if blocks == 1:
        carry = body(0, size, carry)
    else:
        carry = lax.fori_loop(0, blocks, lambda i, c: body(i * size, size, c), carry)
    return body(length - rest, rest, carry) if rest else carry


def tile_size() -> int:
    """The tile for the default backend."""
    return TILE.get(jax.default_backend(), TILE_ELSEWHERE)


def block_size(n: int, target: int) -> int:
    """The largest divisor of n in (target/2, target], else target; n itself where it is small."""
    if n <= target:
        return n
    divisors = (size for size in range(target, target // 2, -1) if n % size == 0)
    return next(divisors, target)


def filled(shape: tuple[int, ...], value: float, dtype: Any, like: jax.Array) -> jax.Array:
    """A constant that varies over the same mesh axes as `like`: a loop's carry inside `shard_map`."""
    return vary(jnp.full(shape, value, dtype), like)


def vary(value: jax.Array, like: jax.Array) -> jax.Array:
    """`value`, varying over the mesh axes that `like` varies over; the gradient is summed over them.

    The type changes by standing beside `like` in a `where` that XLA removes: unlike `lax.pcast` it needs no
    axis names, and so works with `check_vma` on, off, and outside `shard_map`.
    """
    return jnp.where(jnp.isnan(like.ravel()[0]), value, value)


def _over_columns(fold: Fold, carry: Tree, x: Tree, y: Tree, tile: int) -> Tree:
    return in_blocks(_length(y), tile, lambda start, size, c: fold(c, x, _slice(y, start, size)), carry)


def _length(tree: Tree) -> int:
    return jax.tree.leaves(tree)[0].shape[0]


def _slice(tree: Tree, start: Any, size: int) -> Tree:
    return jax.tree.map(lambda a: lax.dynamic_slice_in_dim(a, start, size), tree)
