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
    n = _length(x)
    size = block_size(n, tile)
    if size == n:
        return _over_columns(fold, carry, x, y, tile)

    def one_block(i, out):
        # The last block starts early enough to be whole; the rows it shares with the one before come out
        # the same, because every block reads the carry that came in.
        start = jnp.minimum(i * size, n - size)
        result = _over_columns(fold, _slice(carry, start, size), _slice(x, start, size), y, tile)
        return jax.tree.map(lambda o, r: lax.dynamic_update_slice_in_dim(o, r, start, 0), out, result)

    return lax.fori_loop(0, -(-n // size), one_block, carry)


def tile_size() -> int:
    """The tile for the default backend."""
    return TILE.get(jax.default_backend(), TILE_ELSEWHERE)


def block_size(n: int, target: int) -> int:
    """The largest divisor of n in (target/2, target], else target; n itself where it is small."""
    if n <= target:
        return n
    divisors = (size for size in range(target, target // 2, -1) if n % size == 0)
    return next(divisors, target)


def _over_columns(fold: Fold, carry: Tree, x: Tree, y: Tree, tile: int) -> Tree:
    k = _length(y)
    size = block_size(k, tile)
    if size == k:
        return fold(carry, x, y)
    blocks, rest = divmod(k, size)
    carry = lax.fori_loop(0, blocks, lambda j, c: fold(c, x, _slice(y, j * size, size)), carry)
    return fold(carry, x, _slice(y, k - rest, rest)) if rest else carry


def _length(tree: Tree) -> int:
    return jax.tree.leaves(tree)[0].shape[0]


def _slice(tree: Tree, start: Any, size: int) -> Tree:
    return jax.tree.map(lambda a: lax.dynamic_slice_in_dim(a, start, size), tree)
