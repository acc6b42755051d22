"""Row statistics without the matrix: tiles with an online log-sum-exp, and a VJP that recomputes them.

Memory O((n + k) dim + tile²). With p_ij = exp(s_ij - lse_i) and cotangents g of the statistics, the loss
moves with a logit by

    G_ij = g_lse_i p_ij + g_sum_i [j in P_i] + ...            (the sum over the statistics asked for)

so that `da_i = sum_j G_ij c_j / tau` and `dc_j = sum_i G_ij a_i / tau`. Both are sums over columns for one
row each: the second is the first with the two sides exchanged, and where both sides are the same rows one
pass adds them, `dz_i = sum_j (G_ij + G_ji) z_j / tau` (6 n² dim flops in all). No device ever sums up
another's gradient: the backward pass communicates one number per row and statistic, and no embedding.
Linear statistics (`pos_sum`, `pos_count`) come from class sums, in O((n + k) dim).
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from contrastive_jax.similarity import class_sums
from contrastive_jax.similarity.contract import Rows, RowStats, compute_dtype, lowest
from contrastive_jax.similarity.layout import Layout
from contrastive_jax.similarity.sweep import filled, tile_size, vary

STREAMED = ("lse", "pos_lse", "neg_lse")
LINEAR = ("pos_sum", "pos_count")


def row_stats(
    anchors: Rows, contrasts: Rows, *, tau: float | Array, want: tuple[str, ...], layout: Layout
) -> RowStats:
    """As `dense.row_stats`; `layout` says where the rows are."""
    dtype = compute_dtype(anchors.z, contrasts.z)
    symmetric = are_same(anchors, contrasts)
    plan = Plan(tuple(sorted(set(want))), layout, symmetric, tile_size(), dtype)
    scale = vary(1 / jnp.asarray(tau, dtype), anchors.z)
    index = layout.first(anchors.z.shape[0]) + jnp.arange(anchors.z.shape[0])
    x = Ids(hide(anchors.row, -1), anchors.group, index)
    y = Ids(hide(contrasts.row, -2), contrasts.group)
    stats = _compiled(plan, scale, anchors.z, None if symmetric else contrasts.z, x, y)
    return RowStats(**stats)


def are_same(anchors: Rows, contrasts: Rows) -> bool:
    """Whether both are the same arrays, not merely equal ones."""
    return all(a is c for a, c in zip(anchors, contrasts))


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is computed and how; static."""

    want: tuple[str, ...]
    layout: Layout
    symmetric: bool
    """Anchors and contrasts are the same rows."""
    tile: int
    dtype: Any


class Ids(NamedTuple):
    """Who the rows of one side are."""

    row: Int[Array, " n"]
    group: Int[Array, " n"]
    index: Int[Array, " n"] | None = None
    """Place among all anchors."""


class Side(NamedTuple):
    """Rows or columns inside a pass. `lse` and `g`, by statistic: values and cotangents, where they are
    these rows' anchors."""

    z: Float[Array, "n dim"]
    ids: Ids
    lse: dict[str, Float[Array, " n"]] = {}
    g: dict[str, Float[Array, " n"]] = {}


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _row_stats(plan: Plan, scale, xz, yz, x_ids: Ids, y_ids: Ids) -> dict[str, Array]:
    return _forward(plan, scale, xz, yz, x_ids, y_ids)[0]


def _forward(plan: Plan, scale, xz, yz, x_ids: Ids, y_ids: Ids):
    x = Side(xz, x_ids)
    y = Side(xz if plan.symmetric else yz, y_ids)
    columns = plan.layout.bring(y)
    stats = plan.layout.apply(functools.partial(_statistics, plan), x, columns, scale)
    # The exchanged pass of the backward needs the anchors as columns; unused (hence not brought) where the
    # contrasts carry no gradient.
    swapped = None if plan.symmetric else plan.layout.bring(x)
    return stats, (scale, x, y, columns, swapped, {k: v for k, v in stats.items() if k in STREAMED})


def _backward(plan: Plan, residuals, g: dict[str, Array]):
    scale, x, y, columns, swapped, lse = residuals
    g = {name: value for name, value in g.items() if name != "pos_count"}
    gradient = functools.partial(_gradient, plan)
    apply, bring = plan.layout.apply, plan.layout.bring
    anchors = x._replace(lse=lse, g=g)
    brought = {"lse": bring(lse), "g": bring(g)}
    if plan.symmetric:
        dx, along = apply(gradient, anchors, columns._replace(**brought), scale)
        # Both sides are in dx, and s is linear in each: Euler's theorem counts the scale twice.
        return jnp.sum(along) / (2 * scale), dx, None, None, None
    dx, along = apply(gradient, anchors, columns, scale)
    dy, _ = apply(gradient, y, swapped._replace(**brought), scale)
    return jnp.sum(along) / scale, dx, dy, None, None


_row_stats.defvjp(_forward, _backward)
# Called outside of any jit, it compiles once all the same.
_compiled = jax.jit(_row_stats, static_argnums=0)


def _statistics(plan: Plan, x: Side, y: Side, scale: Array) -> dict[str, Float[Array, " n"]]:
    """The forward pass over all columns, for the rows `x`."""
    streamed = [name for name in plan.want if name in STREAMED or plan.layout.travels]
    zero = filled(x.z.shape[:1], 0, plan.dtype, x.z)
    # Half the lowest: an excluded logit (the lowest) is then exp(-huge) = 0 even before any valid one.
    floor = filled(x.z.shape[:1], lowest(plan.dtype) / 2, plan.dtype, x.z)
    start = {name: (floor, zero) if name in STREAMED else zero for name in streamed}

    def fold(carry, rows: Side, cols: Side):
        s = logits(rows.z, cols.z, scale)
        kept = _pairs(rows.ids, cols.ids)
        return {name: _fold_one(name, carry[name], s, kept) for name in carry}

    stats = plan.layout.sweep(fold, start, x, y, plan.tile) if streamed else {}
    for name in set(stats) & set(STREAMED):
        top, total = stats[name]
        stats[name] = jnp.where(total > 0, top + jnp.log(jnp.maximum(total, 1e-37)), lowest(plan.dtype))
    return stats | _class_statistics(plan, set(plan.want) - set(stats), x, y, scale)


def _fold_one(name: str, carry, s: Float[Array, "n k"], kept: dict[str, Array]):
    if name == "pos_sum":
        return carry + jnp.sum(jnp.where(kept[name], s, 0), axis=1)
    if name == "pos_count":
        return carry + jnp.sum(kept[name], axis=1, dtype=s.dtype)
    top, total = carry
    s = jnp.where(kept[name], s, lowest(s.dtype))
    new_top = jnp.maximum(top, jnp.max(s, axis=1))
    return new_top, total * jnp.exp(top - new_top) + jnp.sum(jnp.exp(s - new_top[:, None]), axis=1)


def _class_statistics(plan: Plan, want: set[str], x: Side, y: Side, scale: Array) -> dict[str, Array]:
    if not want:
        return {}
    matches = _matches(plan, x.ids, y.ids)
    stats = {}
    if "pos_count" in want:
        stats["pos_count"] = class_sums.count(matches).astype(plan.dtype)
    if "pos_sum" in want:
        stats["pos_sum"] = scale * class_sums.positive_dot(x.z, y.z, matches, plan.dtype)
    return stats


def _gradient(plan: Plan, x: Side, y: Side, scale: Array) -> tuple[Array, Array]:
    """`dx_i = scale sum_j (G_ij + G_ji) y_j` over the sides that have cotangents, and `x_i . dx_i`."""
    streamed = {name for name in plan.want if name in STREAMED or (name == "pos_sum" and plan.layout.travels)}

    def fold(dx, rows: Side, cols: Side):
        s = logits(rows.z, cols.z, scale)
        kept = _pairs(rows.ids, cols.ids)
        pulls = [jnp.where(kept[name], _pull(name, s, rows, cols), 0) for name in streamed]
        return dx + matmul(functools.reduce(jnp.add, pulls), cols.z)

    dx = filled(x.z.shape, 0, plan.dtype, x.z)
    if streamed:
        dx = plan.layout.sweep(fold, dx, x, y, plan.tile)
    if "pos_sum" in plan.want and not plan.layout.travels:
        matches = _matches(plan, x.ids, y.ids)
        of_row, of_column = x.g.get("pos_sum"), y.g.get("pos_sum")
        dx = class_sums.add_positive_sums(dx, y.z, matches, of_row, of_column)
    dx = dx * scale
    return dx.astype(x.z.dtype), jnp.sum(dx * x.z.astype(plan.dtype), axis=1)


def _pull(name: str, s: Float[Array, "n k"], rows: Side, cols: Side) -> Float[Array, "n k"]:
    """One statistic's G_ij + G_ji, before the mask."""
    linear = name == "pos_sum"
    pull = jnp.zeros_like(s)
    if rows.g:
        pull += rows.g[name][:, None] * (1 if linear else jnp.exp(s - rows.lse[name][:, None]))
    if cols.g:
        pull += cols.g[name][None, :] * (1 if linear else jnp.exp(s - cols.lse[name][None, :]))
    return pull


def _pairs(x: Ids, y: Ids) -> dict[str, Array]:
    """The pairs that each statistic sums over, [n, k] of a tile. What is not used is not computed."""
    valid = x.row[:, None] != y.row[None, :]
    same = (x.group[:, None] == y.group[None, :]) & (y.group != -1)[None, :]
    positive = valid & same
    return dict(lse=valid, pos_sum=positive, pos_lse=positive, neg_lse=valid & ~same, pos_count=positive)


def _matches(plan: Plan, x: Ids, y: Ids) -> class_sums.Matches:
    index = x.index if plan.symmetric else None
    return class_sums.match(x.group, x.row, y.group, y.row, index)


def hide(row: Int[Array, " n"], no_identity: int) -> Int[Array, " n"]:
    """Puts `no_identity` for a negative row: another one for each side, so that they never agree."""
    return jnp.where(row < 0, no_identity, row)


def logits(x: Float[Array, "n dim"], y: Float[Array, "k dim"], scale: Array) -> Float[Array, "n k"]:
    """`x y^T scale` of one tile. Products of bfloat16 are exact in float32, so both may enter as they are."""
    if x.dtype != y.dtype:
        x, y = x.astype(scale.dtype), y.astype(scale.dtype)
    contract_last = (((1,), (1,)), ((), ()))
    highest = lax.Precision.HIGHEST
    return scale * lax.dot_general(x, y, contract_last, highest, preferred_element_type=scale.dtype)


def matmul(weight: Float[Array, "n k"], z: Float[Array, "k dim"]) -> Float[Array, "n dim"]:
    """`weight @ z` in the weight's dtype."""
    return jnp.matmul(weight, z.astype(weight.dtype), precision=lax.Precision.HIGHEST)
