"""The streaming skeleton: one custom VJP for every per-anchor function of the logits `s = A C^T / tau`.

The matrix never exists. The forward pass folds tiles of it into a value per anchor and keeps a few numbers of
each; the backward pass computes the tiles again. Memory is O((n + k) dim + tile²). With G_ij the derivative of the
loss with respect to s_ij,

    da_i = sum_j G_ij c_j / tau,        dc_j = sum_i G_ij a_i / tau

Both sum over columns, once per row: the second is the first with anchors and contrasts swapped, and the compiler drops
it where the contrasts need no gradient. Where anchors and contrasts are the same rows, one pass does both,
`dz_i = sum_j (G_ij + G_ji) z_j / tau` (6 n² dim flops in all). No device adds up another's gradient: the backward
pass communicates one number per anchor and statistic, and no embedding.

A `Reduction` says what is computed. There are two: `streamed_stats` and `streamed_kl`.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from contrastive_jax.similarity.contract import Scalar, compute_dtype
from contrastive_jax.similarity.layout import Layout
from contrastive_jax.similarity.sweep import Tree, full_like, tile_size, varying_like


class Side(NamedTuple):
    """The anchors or the contrasts, as the rows or the columns of a pass. Leaves are [n, ...]."""

    z: tuple[Array, ...]
    """Embeddings [n, dim], one array per logit matrix."""
    ids: Tree
    """Integers by which the reduction tells which pairs take part."""
    saved: Tree = None
    """Only of anchors in the backward pass: what the forward pass saved."""
    cotangent: Tree = None
    """Only of anchors in the backward pass: the derivative of the loss with respect to their values."""


class Reduction:
    """A value per anchor, from its rows of one or more logit matrices over the same pairs.

    Subclasses are frozen dataclasses: hashable, static, part of the compiled program's identity. `logits` is a
    tuple of tiles [n, k], one per matrix; `rows` and `columns` are the tile's `Side`s.
    """

    @property
    def streams(self) -> bool:
        """Whether there is anything to sweep for."""
        return True

    def start(self, full: Callable[[float], Array]) -> Tree:
        """The carry before the first tile; `full(value)` is a constant [n]."""
        raise NotImplementedError

    def fold(self, carry: Tree, logits: tuple[Array, ...], rows: Side, columns: Side) -> Tree:
        """The carry after one more tile of columns."""
        raise NotImplementedError

    def finish(self, carry: Tree, rows: Side, columns: Side, scales: tuple[Array, ...]) -> Tree:
        """The result of each row once all columns are in the carry."""
        raise NotImplementedError

    def split(self, result: Tree) -> tuple[Tree, Tree]:
        """(value, what `logit_gradients` needs to know of each anchor) of a result."""
        raise NotImplementedError

    def differentiable(self, cotangent: Tree) -> Tree:
        """The part of the value's cotangent that reaches the logits."""
        return cotangent

    def logit_gradients(self, logits: tuple[Array, ...], rows: Side, columns: Side) -> tuple[Array, ...]:
        """G_ij of one tile for each matrix, added up over `anchors_of(rows, columns)`."""
        raise NotImplementedError

    def add_unstreamed(self, dz: tuple[Array, ...], rows: Side, columns: Side) -> tuple[Array, ...]:
        """`dz`, still to be scaled by 1/tau, with the gradient of what was not swept for."""
        return dz


def reduce_rows(
    reduction: Reduction,
    anchors: Side,
    contrasts: Side,
    taus: Sequence[Scalar],
    *,
    layout: Layout,
    same_rows: bool,
) -> Tree:
    """The reduction's value of every anchor; differentiable in embeddings and temperatures, in reverse mode.

    Args:
      taus: a temperature per logit matrix.
      layout: where the rows are.
      same_rows: anchors and contrasts are the same arrays.
    """
    dtype = compute_dtype(*anchors.z, *contrasts.z)
    scales = tuple(varying_like(1 / jnp.asarray(tau, dtype), z) for tau, z in zip(taus, anchors.z))
    plan = Plan(reduction, layout, same_rows, tile_size())
    return _compiled(plan, scales, anchors, contrasts._replace(z=()) if same_rows else contrasts)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is computed, and how; static."""

    reduction: Reduction
    layout: Layout
    same_rows: bool
    tile: int


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _reduce(plan: Plan, scales: tuple[Array, ...], anchors: Side, contrasts: Side) -> Tree:
    return _forward(plan, scales, anchors, contrasts)[0]


def _forward(plan: Plan, scales: tuple[Array, ...], anchors: Side, contrasts: Side):
    if plan.same_rows:
        contrasts = contrasts._replace(z=anchors.z)
    columns = plan.layout.as_columns(contrasts)
    result = plan.layout.map_rows(functools.partial(_result, plan), anchors, columns, scales)
    value, saved = plan.reduction.split(result)
    # For the swapped pass. Where the contrasts need no gradient, it is unused and therefore never gathered.
    anchor_columns = None if plan.same_rows else plan.layout.as_columns(anchors)
    return value, (scales, anchors, contrasts, columns, anchor_columns, saved)


def _backward(plan: Plan, residuals, cotangent: Tree):
    scales, anchors, contrasts, columns, anchor_columns, saved = residuals
    gradient = functools.partial(_gradient, plan)
    map_rows, as_columns = plan.layout.map_rows, plan.layout.as_columns
    known = dict(saved=saved, cotangent=plan.reduction.differentiable(cotangent))
    known_columns = as_columns(known)
    if plan.same_rows:
        columns = columns._replace(**known_columns)
    d_anchors, along = map_rows(gradient, anchors._replace(**known), columns, scales)
    d_contrasts = ()
    if not plan.same_rows:
        d_contrasts, _ = map_rows(gradient, contrasts, anchor_columns._replace(**known_columns), scales)
    # A logit is linear in anchor, contrast and scale, so z . dz sums to scale . dscale (Euler), once per side.
    sides = 2 if plan.same_rows else 1
    d_scales = tuple(jnp.sum(of_row) / (sides * scale) for of_row, scale in zip(along, scales))
    return d_scales, Side(d_anchors, None), Side(d_contrasts, None)


_reduce.defvjp(_forward, _backward)
# Called outside `jit`, it still compiles only once.
_compiled = jax.jit(_reduce, static_argnums=0)


def _result(plan: Plan, rows: Side, columns: Side, scales: tuple[Array, ...]) -> Tree:
    """The forward pass, for `rows`."""

    def fold(carry, rows: Side, columns: Side):
        return plan.reduction.fold(carry, _logits(rows, columns, scales), rows, columns)

    like = rows.z[-1]
    carry = plan.reduction.start(lambda value: full_like(like.shape[:1], value, scales[0].dtype, like))
    if plan.reduction.streams:
        carry = plan.layout.sweep(fold, carry, rows, columns, plan.tile)
    return plan.reduction.finish(carry, rows, columns, scales)


def _gradient(plan: Plan, rows: Side, columns: Side, scales: tuple[Array, ...]):
    """A backward pass: `dz_i = scale sum_j G_ij column_j` of each row and matrix, and `z_i . dz_i`."""

    def fold(dz, rows: Side, columns: Side):
        gradients = plan.reduction.logit_gradients(_logits(rows, columns, scales), rows, columns)
        return tuple(d + _matmul(g, z) for d, g, z in zip(dz, gradients, columns.z))

    dz = tuple(full_like(z.shape, 0, scale.dtype, z) for z, scale in zip(rows.z, scales))
    if plan.reduction.streams:
        dz = plan.layout.sweep(fold, dz, rows, columns, plan.tile)
    dz = plan.reduction.add_unstreamed(dz, rows, columns)
    dz = tuple(d * scale for d, scale in zip(dz, scales))
    along = tuple(jnp.sum(d * z.astype(d.dtype), axis=1) for d, z in zip(dz, rows.z))
    return tuple(d.astype(z.dtype) for d, z in zip(dz, rows.z)), along


def anchors_of(rows: Side, columns: Side) -> Iterator[tuple[Tree, Tree]]:
    """(saved, cotangent) of each side of a tile that consists of anchors, shaped [n, 1] or [1, k]."""
    for side, axis in ((rows, 1), (columns, 0)):
        if side.cotangent is not None:
            yield jax.tree.map(lambda a, axis=axis: jnp.expand_dims(a, axis), (side.saved, side.cotangent))


def never_equal(
    anchor_row: Int[Array, " n"], contrast_row: Int[Array, " k"]
) -> tuple[Int[Array, " n"], Int[Array, " k"]]:
    """Identities whose inequality alone says that a pair takes part: negative ones differ between the sides."""
    return jnp.where(anchor_row < 0, -1, anchor_row), jnp.where(contrast_row < 0, -2, contrast_row)


def online_exp(
    top: Float[Array, " n"], s: Float[Array, "n k"]
) -> tuple[Float[Array, " n"], Float[Array, " n"], Float[Array, "n k"]]:
    """One step of an online log-sum-exp with running maximum `top`.

    Returns the new maximum, the factor by which it shrinks the sums so far, and the tile's exponentials.
    """
    new_top = jnp.maximum(top, jnp.max(s, axis=1))
    return new_top, jnp.exp(top - new_top), jnp.exp(s - new_top[:, None])


def _logits(rows: Side, columns: Side, scales: tuple[Array, ...]) -> tuple[Array, ...]:
    return tuple(_scaled_product(*of_matrix) for of_matrix in zip(rows.z, columns.z, scales))


def _scaled_product(a: Float[Array, "n dim"], c: Float[Array, "k dim"], scale: Array) -> Float[Array, "n k"]:
    """`scale a c^T`. Products of bfloat16 are exact in float32, so two bfloat16 tiles enter as they are."""
    if a.dtype != c.dtype:
        a, c = a.astype(scale.dtype), c.astype(scale.dtype)
    contract_last = (((1,), (1,)), ((), ()))
    highest = lax.Precision.HIGHEST
    return scale * lax.dot_general(a, c, contract_last, highest, preferred_element_type=scale.dtype)


def _matmul(weight: Float[Array, "n k"], z: Float[Array, "k dim"]) -> Float[Array, "n dim"]:
    """`weight @ z` in the weight's dtype."""
    return jnp.matmul(weight, z.astype(weight.dtype), precision=lax.Precision.HIGHEST)
