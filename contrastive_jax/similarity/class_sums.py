"""Sums over positives without a mask: the class-sum form, O((n + k) dim) work and memory.

The positives of row i are the columns of its group without those of its own identity, so a sum over them
is the sum of a group minus the sum of a (group, row) pair. Exact for any integer ids, repeated ones too.
On a GPU the order of addition, hence the last bit, changes from run to run unless XLA is told otherwise
(`--xla_gpu_deterministic_ops`).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from contrastive_jax.similarity.sweep import filled, in_blocks

# A float32 sum of a large class, one addend at a time, would lose a digit per factor of ten. Each run is
# added up in parts of this many, then part by part.
PART = 256


class Runs(NamedTuple):
    """A numbering of columns by what they share, and two steps to add up those of one number.

    After sorting, what belongs together is a run of places; its number is the place at which it starts, and
    it owns as many places as it has members, so parts of a large run find room in its own places.
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
    """Runs of one group."""
    own: Runs
    """Runs of one group and one identity."""
    row_grouped: Int[Array, " n"]
    """0: the row has no group, hence no positives."""
    column_known: Int[Array, " k"]
    """0: the column has no identity, hence is nobody's own."""


def match(
    group: Int[Array, " n"],
    row: Int[Array, " n"],
    column_group: Int[Array, " k"],
    column_row: Int[Array, " k"],
    index: Int[Array, " n"] | None = None,
) -> Matches:
    """Matches rows with columns. `index`: the rows are these columns, which saves sorting both."""
    n = 0 if index is not None else group.shape[0]
    if index is None:
        index = jnp.arange(n)
        column_group_and_rows = jnp.concatenate([group, column_group]), jnp.concatenate([row, column_row])
    else:
        column_group_and_rows = column_group, column_row
    by_group, by_pair = _runs(*column_group_and_rows)
    return Matches(
        group=Runs(by_group.row[index], by_group.part[n:], by_group.start),
        own=Runs(by_pair.row[index], by_pair.part[n:], by_pair.start),
        row_grouped=(group != -1).astype(jnp.int32),
        column_known=(column_row >= 0).astype(jnp.int32),
    )


def count(matches: Matches) -> Int[Array, " n"]:
    """Number of positives of each row, in integers."""
    of_group = _sum(jnp.ones_like(matches.column_known), matches.group)[matches.group.row]
    own = _sum(matches.column_known, matches.own)[matches.own.row]
    return (of_group - own) * matches.row_grouped


def positive_dot(
    x: Float[Array, "n dim"], v: Float[Array, "k dim"], matches: Matches, dtype: Any
) -> Float[Array, " n"]:
    """`x_i . sum_{j in P_i} v_j`."""

    def features(start, size, dot):
        sums = _positive_sums(_features(v, start, size).astype(dtype), matches)
        return dot + jnp.sum(_features(x, start, size).astype(dtype) * sums, axis=1)

    return in_blocks(x.shape[1], _width(matches), features, filled(x.shape[:1], 0, dtype, x))


def add_positive_sums(
    to: Float[Array, "n dim"],
    v: Float[Array, "k dim"],
    matches: Matches,
    of_row: Float[Array, " n"] | None,
    of_column: Float[Array, " k"] | None,
) -> Float[Array, "n dim"]:
    """`to_i + sum_{j in P_i} (of_row_i + of_column_j) v_j`; None: 0."""

    def features(start, size, to):
        of_v = _features(v, start, size).astype(to.dtype)
        here = _features(to, start, size)
        if of_row is not None:
            here = here + of_row[:, None] * _positive_sums(of_v, matches)
        if of_column is not None:
            here = here + _positive_sums(of_column[:, None] * of_v, matches)
        return lax.dynamic_update_slice_in_dim(to, here, start, 1)

    return in_blocks(v.shape[1], _width(matches), features, to)


def _positive_sums(v: Float[Array, "k f"], matches: Matches) -> Float[Array, "n f"]:
    of_group = _sum(v, matches.group)[matches.group.row]
    own = _sum(v * matches.column_known.astype(v.dtype)[:, None], matches.own)[matches.own.row]
    return (of_group - own) * matches.row_grouped.astype(v.dtype)[:, None]


def _width(matches: Matches) -> int:
    """How many features at a time: 2 MiB of float32 per array of sums, but whole memory sectors."""
    return max(8, 2**19 // matches.group.start.shape[0])


def _features(a: Float[Array, "m dim"], start: Any, size: int) -> Float[Array, "m f"]:
    return lax.dynamic_slice_in_dim(a, start, size, 1)


def _sum(v: Array, runs: Runs) -> Array:
    """The sum of each run, at its number."""
    places = runs.start.shape[0]
    return jax.ops.segment_sum(jax.ops.segment_sum(v, runs.part, places), runs.start, places)


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
