"""The one loop of the streaming implementations: tiles of rows against tiles of columns, never the matrix.

A statistic, a gradient or a KL is a `tile` function that folds one tile of columns into a value per row.
Nothing here knows which.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

# Rows x columns of a tile. 4 MiB of float32: it stays in an L2 cache (H100: 50 MiB) or close to one (CPU),
# and is large enough for full matrix-product speed. See benchmarks/similarity.py.
ROWS, COLUMNS = 1024, 1024

Tree = Any
Tile = Callable[[Tree, Tree, Tree], Tree]


def sweep(tile: Tile, carry: Tree, x: Tree, y: Tree) -> Tree:
    """`carry_i = tile(... tile(carry_i, x_i, y_1) ..., y_last)` for every row i.

    Args:
      tile: (carry of some rows, those rows, some columns) -> carry of those rows.
      carry, x: pytrees of arrays [n, ...].
      y: pytree of arrays [k, ...].
    """
    n = jax.tree.leaves(x)[0].shape[0]
    size = block_size(n, ROWS)
    if size == n:
        return _over_columns(tile, carry, x, y)
    blocks = -(-n // size)

    def one_block(i, out):
        # The last block starts early enough to be whole; the rows it shares with the one before come out
        # the same, because every block reads the carry that came in.
        start = jnp.minimum(i * size, n - size)
        result = _over_columns(tile, _slice(carry, start, size), _slice(x, start, size), y)
        return jax.tree.map(lambda o, r: lax.dynamic_update_slice_in_dim(o, r, start, 0), out, result)

    return lax.fori_loop(0, blocks, one_block, carry)


def block_size(n: int, target: int) -> int:
    """The largest divisor of n in (target/2, target], else target; n itself where it is small."""
    if n <= target:
        return n
    divisors = (size for size in range(target, target // 2, -1) if n % size == 0)
    return next(divisors, target)


def _over_columns(tile: Tile, carry: Tree, x: Tree, y: Tree) -> Tree:
    k = jax.tree.leaves(y)[0].shape[0]
    size = block_size(k, COLUMNS)
    blocks, rest = divmod(k, size)
    if blocks == 1:
        carry = tile(carry, x, _slice(y, 0, size))
    else:
        carry = lax.fori_loop(0, blocks, lambda j, c: tile(c, x, _slice(y, j * size, size)), carry)
    return tile(carry, x, _slice(y, k - rest, rest)) if rest else carry


def _slice(tree: Tree, start, size: int) -> Tree:
    return jax.tree.map(lambda a: lax.dynamic_slice_in_dim(a, start, size), tree)
