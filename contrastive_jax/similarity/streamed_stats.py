"""Row statistics, streamed. With p_ij = exp(s_ij - lse_i) and cotangents g of the statistics,

    G_ij = g_lse_i p_ij + g_sum_i [j in P_i] + ...          (the sum over the statistics asked for)

is the loss's derivative with respect to a logit. The linear statistics (`pos_sum`, `pos_count`) need no tiles: class
sums give them in O((n + k) dim). In a ring no device holds all members of a class, so there they are streamed too.
"""

import dataclasses
import functools
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from contrastive_jax.similarity import class_sums
from contrastive_jax.similarity.contract import NO_GROUP, Rows, RowStats, Scalar, lowest
from contrastive_jax.similarity.layout import Layout
from contrastive_jax.similarity.streaming import (
    Reduction,
    Side,
    anchors_of,
    never_equal,
    online_exp,
    reduce_rows,
)

LOG_SUMS = ("lse", "pos_lse", "neg_lse")


def row_stats(
    anchors: Rows, contrasts: Rows, *, tau: Scalar, want: tuple[str, ...], layout: Layout, same_rows: bool
) -> RowStats:
    """As `dense.row_stats`. `layout` says where the rows are, `same_rows` that anchors and contrasts are the same."""
    n = anchors.z.shape[0]
    position = layout.first_position(n) + jnp.arange(n) if same_rows else None
    anchor_row, contrast_row = never_equal(anchors.row, contrasts.row)
    names = sorted(set(want))
    streamed = tuple(name for name in names if layout.ring or name in LOG_SUMS)
    stats = reduce_rows(
        Statistics(streamed, tuple(name for name in names if name not in streamed)),
        Side((anchors.z,), Ids(anchor_row, anchors.group, position)),
        Side((contrasts.z,), Ids(contrast_row, contrasts.group)),
        (tau,),
        layout=layout,
        same_rows=same_rows,
    )
    return RowStats(**stats)


class Ids(NamedTuple):
    """Who the rows of one side are."""

    row: Int[Array, " n"]
    group: Int[Array, " n"]
    position: Int[Array, " n"] | None = None
    """Where anchors are also the contrasts: their positions among these."""


@dataclasses.dataclass(frozen=True)
class Statistics(Reduction):
    """The statistics by name. The carry of a log-sum-exp is (running maximum, sum of shifted exponentials)."""

    streamed: tuple[str, ...]
    """Statistics that sweep over the tiles."""
    summed: tuple[str, ...]
    """Statistics that come from class sums."""

    @property
    def streams(self) -> bool:
        return bool(self.streamed)

    def start(self, full):
        zero = full(0)
        # Half the lowest: an excluded logit (the lowest) gives exp(-huge) = 0 even before any valid one.
        floor = full(lowest(zero.dtype) / 2)
        return {name: (floor, zero) if name in LOG_SUMS else zero for name in self.streamed}

    def fold(self, carry, logits, rows: Side, columns: Side):
        kept = _pairs(rows.ids, columns.ids)
        return {name: _fold_one(name, carry[name], logits[0], kept[name]) for name in self.streamed}

    def finish(self, carry, rows: Side, columns: Side, scales):
        streamed = {name: _log(*carry[name]) if name in LOG_SUMS else carry[name] for name in self.streamed}
        return streamed | self._from_class_sums(rows, columns, scales[0])

    def split(self, result):
        return result, {name: value for name, value in result.items() if name in LOG_SUMS}

    def _from_class_sums(self, rows: Side, columns: Side, scale: Array) -> dict[str, Array]:
        if not self.summed:
            return {}
        matches = _matches(rows.ids, columns.ids)
        stats = {}
        if "pos_count" in self.summed:
            stats["pos_count"] = class_sums.count(matches).astype(scale.dtype)
        if "pos_sum" in self.summed:
            stats["pos_sum"] = scale * class_sums.positive_dot(rows.z[0], columns.z[0], matches, scale.dtype)
        return stats

    def differentiable(self, cotangent):
        return {name: g for name, g in cotangent.items() if name != "pos_count"}

    def logit_gradients(self, logits, rows: Side, columns: Side):
        (s,) = logits
        kept = _pairs(rows.ids, columns.ids)
        anchors = list(anchors_of(rows, columns))
        gradients = [
            jnp.where(kept[name], sum(_gradient_of_one(name, s, saved, g) for saved, g in anchors), 0)
            for name in self.streamed
            if name != "pos_count"
        ]
        return (functools.reduce(jnp.add, gradients or [jnp.zeros_like(s)]),)

    def add_unstreamed(self, dz, rows: Side, columns: Side):
        if "pos_sum" not in self.summed:
            return dz
        per_row, per_column = (
            None if g is None else g["pos_sum"] for g in (rows.cotangent, columns.cotangent)
        )
        matches = _matches(rows.ids, columns.ids)
        return (class_sums.add_positive_sums(dz[0], columns.z[0], matches, per_row, per_column),)


def _fold_one(name: str, carry, s: Float[Array, "n k"], kept: Bool[Array, "n k"]):
    if name == "pos_sum":
        return carry + jnp.sum(jnp.where(kept, s, 0), axis=1)
    if name == "pos_count":
        return carry + jnp.sum(kept, axis=1, dtype=s.dtype)
    top, total = carry
    top, shrink, exponentials = online_exp(top, jnp.where(kept, s, lowest(s.dtype)))
    return top, total * shrink + jnp.sum(exponentials, axis=1)


def _log(top: Float[Array, " n"], total: Float[Array, " n"]) -> Float[Array, " n"]:
    return jnp.where(total > 0, top + jnp.log(jnp.maximum(total, 1e-37)), lowest(top.dtype))


def _gradient_of_one(name: str, s: Float[Array, "n k"], saved: dict[str, Array], g: dict[str, Array]):
    """One statistic's G_ij, for the anchors of one side of the tile, before the mask."""
    return g[name] if name == "pos_sum" else g[name] * jnp.exp(s - saved[name])


def _pairs(rows: Ids, columns: Ids) -> dict[str, Bool[Array, "n k"]]:
    """The pairs of a tile that each statistic sums over. The compiler drops those that are not used."""
    valid = rows.row[:, None] != columns.row[None, :]
    same = (rows.group[:, None] == columns.group[None, :]) & (columns.group != NO_GROUP)[None, :]
    positive = valid & same
    return dict(lse=valid, pos_sum=positive, pos_lse=positive, neg_lse=valid & ~same, pos_count=positive)


def _matches(rows: Ids, columns: Ids) -> class_sums.Matches:
    return class_sums.match(rows.group, rows.row, columns.group, columns.row, rows.position)
