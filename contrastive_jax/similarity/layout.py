"""Where the rows are, and what has to move before every anchor can meet every contrast.

On one device, on a mesh seen as one array, or in one shard inside a `shard_map`; with contrasts gathered once or sent
round a ring. The streamed arithmetic is the same in all of them: it takes its columns from `as_columns`, then
calls `map_rows` with a function of (these rows, the columns) that calls `sweep`.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import AxisType, PartitionSpec

from contrastive_jax.parallel.mesh import DATA
from contrastive_jax.similarity.sweep import Fold, Tree, ring_sweep, sweep


@dataclasses.dataclass(frozen=True)
class Layout:
    """How rows and columns are spread over devices. Static: part of the compiled program's identity."""

    axis: str | None = None
    """Mesh axis along which rows are split; None: all of them are on this device."""
    global_view: bool = False
    """Arrays hold the rows of all devices, so `map_rows` enters a `shard_map` over `axis` itself."""
    ring: bool = False
    """Columns stay split and travel round the devices instead of being gathered."""

    @property
    def devices(self) -> int:
        """Number of devices over which `map_rows` splits global arrays."""
        return jax.sharding.get_abstract_mesh().shape[self.axis] if self.global_view else 1

    def first_position(self, n: int) -> Any:
        """Position of this device's first row among all rows; `n` rows are on this device."""
        return lax.axis_index(self.axis) * n if self.axis and not self.global_view else 0

    def as_columns(self, side: Tree) -> Tree:
        """Arrays [k, ...] as the columns of `map_rows`: gathered once, in their dtype, or left split in a ring."""
        if self.global_view:
            spec = PartitionSpec(self.axis if self.ring else None)
            return jax.tree.map(lambda a: lax.with_sharding_constraint(a, spec), side)
        if self.axis is None or self.ring:
            return side
        return jax.tree.map(lambda a: lax.all_gather(a, self.axis, tiled=True), side)

    def map_rows(self, fn: Callable[..., Tree], rows: Tree, columns: Tree, shared: Tree) -> Tree:
        """`fn(rows, columns, shared)` on every device's rows; `columns` come from `as_columns`.

        Returns arrays [n, ...], one entry per row.
        """
        if not self.global_view:
            return fn(rows, columns, shared)
        split, whole = PartitionSpec(self.axis), PartitionSpec()
        specs = (split, split if self.ring else whole, whole)
        n = jax.tree.leaves(rows)[0].shape[0]
        padding = -n % self.devices
        if padding:
            rows = jax.tree.map(lambda a: jnp.pad(a, [(0, padding)] + [(0, 0)] * (a.ndim - 1)), rows)
        out = jax.shard_map(fn, in_specs=specs, out_specs=split, check_vma=False)(rows, columns, shared)
        return jax.tree.map(lambda a: a[:n], out) if padding else out

    def sweep(self, fold: Fold, carry: Tree, rows: Tree, columns: Tree, tile: int) -> Tree:
        """The sweep over all columns, for use inside `map_rows`."""
        if self.ring and self.axis:
            return ring_sweep(fold, carry, rows, columns, tile, self.axis)
        return sweep(fold, carry, rows, columns, tile)


def layout_for(axis: str | None, *, ring: bool, lengths: tuple[int, ...]) -> Layout:
    """The layout of the view that the caller is in.

    `jax.set_mesh` (axis "data", Auto) announces the global view of a mesh. Without it, or inside a `shard_map`
    whose axis is not given, all rows are taken to be on this device. In the global view a ring needs `lengths`
    that the mesh divides; otherwise the columns are gathered.
    """
    if axis is not None:
        return Layout(axis=axis, ring=ring)
    mesh = jax.sharding.get_abstract_mesh()
    auto = dict(zip(mesh.axis_names, mesh.axis_types)).get(DATA) == AxisType.Auto
    if not auto or mesh.shape[DATA] == 1 or AxisType.Manual in mesh.axis_types:
        return Layout()
    even = all(n % mesh.shape[DATA] == 0 for n in lengths)
    return Layout(axis=DATA, global_view=True, ring=ring and even)
