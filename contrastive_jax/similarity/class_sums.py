"""Sums over positives without a mask: the class-sum form, O((n + k) dim) work and memory.

The positives of row i are the columns of its group without those of its own identity, so a sum over them
is the sum of a group minus the sum of a (group, row) pair. Exact for any integer ids, repeated ones too.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int


class Matches(NamedTuple):
    """Which columns are the positives of which rows, as segment numbers in [0, segments)."""

    row_group: Int[Array, " n"]
    row_pair: Int[Array, " n"]
    row_grouped: Int[Array, " n"]  # 0: the row has no group, hence no positives
    column_group: Int[Array, " k"]
    column_pair: Int[Array, " k"]
    column_known: Int[Array, " k"]  # 0: the column has no identity, hence is nobody's own
    segments: int


def match(
    group: Int[Array, " n"],
    row: Int[Array, " n"],
    column_group: Int[Array, " k"],
    column_row: Int[Array, " k"],
    index: Int[Array, " n"] | None = None,
) -> Matches:
    """Matches rows with columns. `index`: the rows are these columns, which saves finding them."""
    if index is None:
        groups, pairs = _segments(jnp.concatenate([group, column_group]), jnp.concatenate([row, column_row]))
        n = group.shape[0]
        row_group, column_segment = groups[:n], groups[n:]
        row_pair, column_pair = pairs[:n], pairs[n:]
    else:
        column_segment, column_pair = groups, pairs = _segments(column_group, column_row)
        row_group, row_pair = groups[index], pairs[index]
    return Matches(
        row_group=row_group,
        row_pair=row_pair,
        row_grouped=(group != -1).astype(jnp.int32),
        column_group=column_segment,
        column_pair=column_pair,
        column_known=(column_row >= 0).astype(jnp.int32),
        segments=groups.shape[0],
    )


def count(matches: Matches) -> Int[Array, " n"]:
    """Number of positives of each row, in integers."""
    ones = jnp.ones_like(matches.column_known)
    of_group = jax.ops.segment_sum(ones, matches.column_group, matches.segments)[matches.row_group]
    own = jax.ops.segment_sum(matches.column_known, matches.column_pair, matches.segments)[matches.row_pair]
    return (of_group - own) * matches.row_grouped


def positive_dot(x: Float[Array, "n dim"], v: Float[Array, "k dim"], matches: Matches) -> Float[Array, " n"]:
    """`sum_d x_id sum_{j in P_i} v_jd`, without the [n, dim] array of sums."""
    of_group = jnp.sum(x * _group_sums(v, matches)[matches.row_group], axis=1)
    own = jnp.sum(x * _pair_sums(v, matches)[matches.row_pair], axis=1)
    return (of_group - own) * matches.row_grouped


def add_positive_sums(
    to: Float[Array, "n dim"],
    factor: Float[Array, " n"] | None,
    v: Float[Array, "k dim"],
    matches: Matches,
) -> Float[Array, "n dim"]:
    """`to_i + factor_i sum_{j in P_i} v_j`; one segment array alive at a time."""
    weight = matches.row_grouped.astype(to.dtype)
    weight = (weight if factor is None else weight * factor)[:, None]
    to = to + weight * _group_sums(v, matches)[matches.row_group]
    to, v = lax.optimization_barrier((to, v))
    return to - weight * _pair_sums(v, matches)[matches.row_pair]


def _group_sums(v: Float[Array, "k dim"], matches: Matches) -> Float[Array, "segment dim"]:
    return jax.ops.segment_sum(v, matches.column_group, matches.segments)


def _pair_sums(v: Float[Array, "k dim"], matches: Matches) -> Float[Array, "segment dim"]:
    known = v * matches.column_known.astype(v.dtype)[:, None]
    return jax.ops.segment_sum(known, matches.column_pair, matches.segments)


def _segments(group: Int[Array, " m"], row: Int[Array, " m"]) -> tuple[Int[Array, " m"], Int[Array, " m"]]:
    """A number in [0, m) per group and one per (group, row) pair, by one sort: no hashing, no collisions."""
    place = jnp.arange(group.shape[0], dtype=jnp.int32)
    group, row, origin = lax.sort((group, row, place), num_keys=2)
    new_group = jnp.concatenate([jnp.ones(1, bool), group[1:] != group[:-1]])
    new_pair = new_group | jnp.concatenate([jnp.ones(1, bool), row[1:] != row[:-1]])
    return tuple(
        # Each run is named by the sorted place at which it starts; then back to the original order.
        jnp.zeros_like(place).at[origin].set(lax.cummax(jnp.where(new, place, 0)), unique_indices=True)
        for new in (new_group, new_pair)
    )
