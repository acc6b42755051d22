"""Sums over positives without a mask: the class-sum form, O((n + k) dim) work and memory.

The positives of a row are the columns of its group except those of its identity. A sum over them is therefore the sum
of a group minus the sum of a (group, identity) pair. This is exact for any integers, repeated identities included.
On a GPU the order of addition, hence the last bit, changes from run to run unless XLA is told otherwise
(`--xla_gpu_deterministic_ops`).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from contrastive_jax.similarity.contract import NO_GROUP
from contrastive_jax.similarity.sweep import fold_blocks, full_like

# Adding a large class one float32 at a time loses a digit per factor of ten. Each run is therefore added up in
# parts of this many addends, then part by part.
PART = 256


class Runs(NamedTuple):
    """Columns numbered by what they share, and the two steps that add up those of one number.

    Sorted, the columns that belong together are a run of places. The number of a run is its first place. A run
    has as many places as members, so the parts of a large run fit into its places.
    """

    row: Int[Array, " n"]
    """The run of each row."""
    part: Int[Array, " k"]
    """The place at which each column's part is added up."""
    start: Int[Array, " place"]
    """The run of each place."""


class Matches(NamedTuple):
    """Which columns are the positives of which rows."""

    group: Runs
    """Runs of equal group."""
    pair: Runs
    """Runs of equal group and identity."""
    row_has_group: Int[Array, " n"]
    """0: the row has no group, hence no positives."""
    column_has_identity: Int[Array, " k"]
    """0: the column has no identity, so it is never left out."""


def match(
    group: Int[Array, " n"],
    row: Int[Array, " n"],
    column_group: Int[Array, " k"],
    column_row: Int[Array, " k"],
    position: Int[Array, " n"] | None = None,
) -> Matches:
    """Matches rows with columns.

    Args:
      group, row: of the rows.
      column_group, column_row: of the columns.
      position: where the rows are among the columns, if they are; saves sorting both.
    """
    if position is None:
        n = group.shape[0]
        position = jnp.arange(n)
        by_group, by_pair = _runs(jnp.concatenate([group, column_group]), jnp.concatenate([row, column_row]))
    else:
        n = 0
        by_group, by_pair = _runs(column_group, column_row)
    return Matches(
        group=Runs(by_group.row[position], by_group.part[n:], by_group.start),
        pair=Runs(by_pair.row[position], by_pair.part[n:], by_pair.start),
        row_has_group=(group != NO_GROUP).astype(jnp.int32),
        column_has_identity=(column_row >= 0).astype(jnp.int32),
    )


def count(matches: Matches) -> Int[Array, " n"]:
    """Number of positives of each row, in integers."""
    of_group = _sum(jnp.ones_like(matches.column_has_identity), matches.group)[matches.group.row]
    left_out = _sum(matches.column_has_identity, matches.pair)[matches.pair.row]
    return (of_group - left_out) * matches.row_has_group


def positive_dot(
    z: Float[Array, "n dim"], columns: Float[Array, "k dim"], matches: Matches, dtype: Any
) -> Float[Array, " n"]:
    """`z_i . sum_{j in P_i} column_j`."""

    def add_features(start, size, dot):
        sums = _positive_sums(_features(columns, start, size).astype(dtype), matches)
        return dot + jnp.sum(_features(z, start, size).astype(dtype) * sums, axis=1)

    return fold_blocks(z.shape[1], _width(matches), add_features, full_like(z.shape[:1], 0, dtype, z))


def add_positive_sums(
    to: Float[Array, "n dim"],
    columns: Float[Array, "k dim"],
    matches: Matches,
    per_row: Float[Array, " n"] | None,
    per_column: Float[Array, " k"] | None,
) -> Float[Array, "n dim"]:
    """`to_i + sum_{j in P_i} (per_row_i + per_column_j) column_j`; None counts as 0."""

    def add_features(start, size, to):
        addends = _features(columns, start, size).astype(to.dtype)
        here = _features(to, start, size)
        if per_row is not None:
            here = here + per_row[:, None] * _positive_sums(addends, matches)
        if per_column is not None:
            here = here + _positive_sums(per_column[:, None] * addends, matches)
        return lax.dynamic_update_slice_in_dim(to, here, start, 1)

    return fold_blocks(columns.shape[1], _width(matches), add_features, to)


def _positive_sums(addends: Float[Array, "k f"], matches: Matches) -> Float[Array, "n f"]:
    of_group = _sum(addends, matches.group)[matches.group.row]
    identified = addends * matches.column_has_identity.astype(addends.dtype)[:, None]
    left_out = _sum(identified, matches.pair)[matches.pair.row]
    return (of_group - left_out) * matches.row_has_group.astype(addends.dtype)[:, None]


def _width(matches: Matches) -> int:
    """How many features at a time: 2 MiB of float32 per array of sums, but at least a whole memory sector."""
    return max(8, 2**19 // matches.group.start.shape[0])


def _features(a: Float[Array, "m dim"], start: Any, size: int) -> Float[Array, "m f"]:
    return lax.dynamic_slice_in_dim(a, start, size, 1)


def _sum(addends: Array, runs: Runs) -> Array:
    """The sum of each run, stored at its number."""
    places = runs.start.shape[0]
    return jax.ops.segment_sum(jax.ops.segment_sum(addends, runs.part, places), runs.start, places)


def _runs(group: Int[Array, " m"], row: Int[Array, " m"]) -> tuple[Runs, Runs]:
    """Runs of equal group, and of equal (group, row), by one sort: no hashing, hence no collisions."""
    place = jnp.arange(group.shape[0], dtype=jnp.int32)
    group, row, origin = lax.sort((group, row, place), num_keys=2)
    new_group = jnp.concatenate([jnp.ones(1, bool), group[1:] != group[:-1]])
    new_pair = new_group | jnp.concatenate([jnp.ones(1, bool), row[1:] != row[:-1]])

    def unsorted(values):
        return jnp.zeros_like(place).at[origin].set(values, unique_indices=True)

    def runs(new):
        start = lax.cummax(jnp.where(new, place, 0))
        return Runs(unsorted(start), unsorted(start + (place - start) // PART), start)

    return runs(new_group), runs(new_pair)
