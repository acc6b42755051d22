"""KL between the row softmaxes of two similarity matrices, streamed (MCL's soft terms, CompRess).

With a the teacher's logits, b the student's, p and q their row softmaxes:

    KL_i = sum_j p_ij (log p_ij - log q_ij) = D_i - lse(a_i) + lse(b_i),   D_i = sum_j p_ij (a_ij - b_ij)
    dKL_i/da_ij = p_ij (a_ij - b_ij - D_i),   dKL_i/db_ij = q_ij - p_ij

so one pass with two online log-sum-exps and one weighted sum gives the values. The gradients are passes as
in `blockwise`: rows against columns, then columns against rows, the latter dropped by the compiler where
nobody asks for it.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from contrastive_jax.similarity.blockwise import hide, logits, matmul
from contrastive_jax.similarity.contract import Scores, compute_dtype, lowest
from contrastive_jax.similarity.layout import Layout
from contrastive_jax.similarity.sweep import filled, tile_size, vary


def row_kl(
    teacher: Scores,
    student: Scores,
    anchor_row: Int[Array, " n"],
    contrast_row: Int[Array, " k"],
    layout: Layout,
) -> Float[Array, " n"]:
    """As `dense.row_kl`; `layout` says where the rows are."""
    dtype = compute_dtype(*teacher[:2], *student[:2])
    symmetric = are_same(teacher, student, anchor_row, contrast_row)
    plan = Plan(layout, symmetric, tile_size(), dtype)
    scale = tuple(vary(1 / jnp.asarray(s.tau, dtype), s.anchors) for s in (teacher, student))
    x = Side(hide(anchor_row, -1), teacher.anchors, student.anchors)
    y = Side(hide(contrast_row, -2), teacher.contrasts, student.contrasts)
    z = (x.teacher, x.student, None, None) if symmetric else (x.teacher, x.student, y.teacher, y.student)
    return _compiled(plan, scale, *z, x.row, y.row)


def are_same(teacher: Scores, student: Scores, anchor_row: Array, contrast_row: Array) -> bool:
    """Whether in both matrices anchors and contrasts are the same arrays, not merely equal ones."""
    pairs = (teacher[:2], student[:2], (anchor_row, contrast_row))
    return all(anchor is contrast for anchor, contrast in pairs)


@dataclasses.dataclass(frozen=True)
class Plan:
    """How it is computed; static."""

    layout: Layout
    symmetric: bool
    """In both matrices anchors and contrasts are the same rows."""
    tile: int
    dtype: Any


class Moments(NamedTuple):
    """What the forward pass knows of each anchor."""

    lse_a: Float[Array, " n"]
    lse_b: Float[Array, " n"]
    gap: Float[Array, " n"]
    """D_i, the mean of a - b under p."""


class Side(NamedTuple):
    """Rows or columns inside a pass; `moments` and the cotangent `g` where they are these rows' anchors."""

    row: Int[Array, " n"]
    teacher: Float[Array, "n teacher_dim"]
    student: Float[Array, "n student_dim"]
    moments: Moments | None = None
    g: Float[Array, " n"] | None = None


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _row_kl(plan: Plan, scale, xt, xs, yt, ys, x_row, y_row) -> Float[Array, " n"]:
    return _forward(plan, scale, xt, xs, yt, ys, x_row, y_row)[0]


def _forward(plan: Plan, scale, xt, xs, yt, ys, x_row, y_row):
    x = Side(x_row, xt, xs)
    y = Side(y_row, xt, xs) if plan.symmetric else Side(y_row, yt, ys)
    columns = plan.layout.bring(y)
    swapped = None if plan.symmetric else plan.layout.bring(x)
    kl, moments = plan.layout.apply(functools.partial(_values, plan), x, columns, scale)
    return kl, (scale, x, y, columns, swapped, moments)


def _backward(plan: Plan, residuals, g: Array):
    scale, x, y, columns, swapped, moments = residuals
    gradient = functools.partial(_gradient, plan)
    apply, bring = plan.layout.apply, plan.layout.bring
    anchors = x._replace(moments=moments, g=g)
    brought = dict(moments=bring(moments), g=bring(g))
    # Each logit is linear in anchor, contrast and scale: z . dz sums up to scale . dscale, once per side.
    if plan.symmetric:
        dx, along = apply(gradient, anchors, columns._replace(**brought), scale)
        dscale = tuple(jnp.sum(of_row) / (2 * of) for of_row, of in zip(along, scale))
        return dscale, *dx, None, None, None, None
    dx, along = apply(gradient, anchors, columns, scale)
    dy, _ = apply(gradient, y, swapped._replace(**brought), scale)
    dscale = tuple(jnp.sum(of_row) / of for of_row, of in zip(along, scale))
    return dscale, *dx, *dy, None, None


_row_kl.defvjp(_forward, _backward)
_compiled = jax.jit(_row_kl, static_argnums=0)


def _values(plan: Plan, x: Side, y: Side, scale) -> tuple[Array, Moments]:
    """The forward pass over all columns, for the rows `x`."""
    zero = filled(x.row.shape, 0, plan.dtype, x.student)
    floor = filled(x.row.shape, lowest(plan.dtype) / 2, plan.dtype, x.student)

    def fold(carry, rows: Side, cols: Side):
        top_a, sum_a, sum_gap, top_b, sum_b = carry
        a, b = logits(rows.teacher, cols.teacher, scale[0]), logits(rows.student, cols.student, scale[1])
        valid = rows.row[:, None] != cols.row[None, :]
        shrink_a, top_a, e_a = _shifted(top_a, jnp.where(valid, a, lowest(a.dtype)))
        shrink_b, top_b, e_b = _shifted(top_b, jnp.where(valid, b, lowest(b.dtype)))
        sum_gap = sum_gap * shrink_a + jnp.sum(e_a * (a - b), axis=1)
        return (
            *(top_a, sum_a * shrink_a + jnp.sum(e_a, axis=1), sum_gap),
            *(top_b, sum_b * shrink_b + jnp.sum(e_b, axis=1)),
        )

    start = (floor, zero, zero, floor, zero)
    top_a, sum_a, sum_gap, top_b, sum_b = plan.layout.sweep(fold, start, x, y, plan.tile)
    empty = sum_a == 0
    sum_a, sum_b = jnp.where(empty, 1, sum_a), jnp.where(empty, 1, sum_b)
    moments = Moments(top_a + jnp.log(sum_a), top_b + jnp.log(sum_b), sum_gap / sum_a)
    return jnp.where(empty, 0, moments.gap - moments.lse_a + moments.lse_b), moments


def _shifted(top: Array, s: Array) -> tuple[Array, Array, Array]:
    """The new running maximum, what it shrinks old sums by, and the shifted exponentials."""
    new_top = jnp.maximum(top, jnp.max(s, axis=1))
    return jnp.exp(top - new_top), new_top, jnp.exp(s - new_top[:, None])


def _gradient(plan: Plan, x: Side, y: Side, scale):
    """`(d teacher_i, d student_i)` for the rows `x`, and each one's dot product with its own row."""

    def fold(carry, rows: Side, cols: Side):
        a, b = logits(rows.teacher, cols.teacher, scale[0]), logits(rows.student, cols.student, scale[1])
        valid = rows.row[:, None] != cols.row[None, :]
        both = ((rows, _column), (cols, _row))
        pulls = [_pull(a, b, of.moments, of.g, at) for of, at in both if of.moments and of.g is not None]
        pull_a, pull_b = (jnp.where(valid, sum(of_side), 0) for of_side in zip(*pulls))
        return carry[0] + matmul(pull_a, cols.teacher), carry[1] + matmul(pull_b, cols.student)

    start = tuple(filled(z.shape, 0, plan.dtype, z) for z in (x.teacher, x.student))
    dx = plan.layout.sweep(fold, start, x, y, plan.tile)
    dx = tuple(dz * of for dz, of in zip(dx, scale))
    z = (x.teacher, x.student)
    along = tuple(jnp.sum(dz * of.astype(plan.dtype), axis=1) for dz, of in zip(dx, z))
    return tuple(dz.astype(of.dtype) for dz, of in zip(dx, z)), along


def _pull(a: Array, b: Array, m: Moments, g: Array, at: Callable[[Array], Array]) -> tuple[Array, Array]:
    """`g dKL/da`, `g dKL/db` of the anchors on one side of the tile, before the mask."""
    p, q = jnp.exp(a - at(m.lse_a)), jnp.exp(b - at(m.lse_b))
    return at(g) * p * (a - b - at(m.gap)), at(g) * (q - p)


def _column(v: Float[Array, " n"]) -> Float[Array, "n 1"]:
    return v[:, None]


def _row(v: Float[Array, " k"]) -> Float[Array, "1 k"]:
    return v[None, :]
