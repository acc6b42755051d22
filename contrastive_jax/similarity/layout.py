"""Where the rows live: what has to move before every anchor can meet every contrast.

One device, a mesh seen as one array, or one shard inside a `shard_map`; contrasts gathered once, or sent
round. The arithmetic of `blockwise` and `kl` is the same in all of them: they `bring` the columns, then
`apply` a function of (these rows, the columns) that calls `sweep`.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import AxisType, PartitionSpec

from contrastive_jax.parallel.mesh import DATA
from contrastive_jax.similarity import ring
from contrastive_jax.similarity.sweep import Fold, Tree, sweep


@dataclasses.dataclass(frozen=True)
class Layout:
    """How rows and columns are spread over devices; static, part of the compiled program's identity."""

    axis: str | None = None
    """Mesh axis along which rows are split; None: all of them are here."""
    wrap: bool = False
    """Arrays are global, so `apply` enters a `shard_map` over `axis` itself."""
    travels: bool = False
    """Columns stay split and travel round the ring, instead of being gathered."""

    @property
    def devices(self) -> int:
        """Over how many devices `apply` splits global arrays."""
        return jax.sharding.get_abstract_mesh().shape[self.axis] if self.wrap else 1

    def first(self, n: int) -> Any:
        """Place of this device's first row among all rows, of which `n` are here."""
        return lax.axis_index(self.axis) * n if self.axis and not self.wrap else 0

    def bring(self, columns: Tree) -> Tree:
        """Columns as `apply` wants them: gathered once, in their own dtype; the backward pass keeps them."""
        if self.wrap:
            spec = PartitionSpec(self.axis if self.travels else None)
            return jax.tree.map(lambda a: lax.with_sharding_constraint(a, spec), columns)
        if self.axis is None or self.travels:
            return columns
        return jax.tree.map(lambda a: lax.all_gather(a, self.axis, tiled=True), columns)

    def apply(self, fn: Callable[..., Tree], rows: Tree, columns: Tree, shared: Tree) -> Tree:
        """`fn(rows, columns, shared)` row by row; `columns` come from `bring`. Returns arrays [n, ...]."""
        if not self.wrap:
            return fn(rows, columns, shared)
        split, whole = PartitionSpec(self.axis), PartitionSpec()
        specs = (split, split if self.travels else whole, whole)
        n = jax.tree.leaves(rows)[0].shape[0]
        padding = -n % self.devices
        if padding:
            rows = jax.tree.map(lambda a: jnp.pad(a, [(0, padding)] + [(0, 0)] * (a.ndim - 1)), rows)
        out = jax.shard_map(fn, in_specs=specs, out_specs=split, check_vma=False)(rows, columns, shared)
        return jax.tree.map(lambda a: a[:n], out) if padding else out

    def sweep(self, fold: Fold, carry: Tree, rows: Tree, columns: Tree, tile: int) -> Tree:
        """`sweep` over all columns, inside `apply`."""
        if self.travels and self.axis:
            return ring.sweep(fold, carry, rows, columns, tile, self.axis)
        return sweep(fold, carry, rows, columns, tile)


def layout_for(axis: str | None, *, ring: bool, lengths: tuple[int, ...]) -> Layout:
    """The layout of the view the caller is in.

    The global view on a mesh is known by `jax.set_mesh` (axis "data", Auto); without one, or inside someone
    else's `shard_map`, all rows are taken to be here. A ring needs `lengths` that the mesh divides.
    """
    if axis is not None:
        return Layout(axis=axis, travels=ring)
    mesh = jax.sharding.get_abstract_mesh()
    auto = dict(zip(mesh.axis_names, mesh.axis_types)).get(DATA) == AxisType.Auto
    if not auto or mesh.shape[DATA] == 1 or AxisType.Manual in mesh.axis_types:
        return Layout()
    return Layout(axis=DATA, wrap=True, travels=ring and all(n % mesh.shape[DATA] == 0 for n in lengths))
