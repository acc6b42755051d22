"""KL between the row softmaxes of two logit matrices, streamed (MCL's soft terms, CompRess).

With a the teacher's logits, b the student's, p and q their row softmaxes:

    KL_i = sum_j p_ij (log p_ij - log q_ij) = D_i - lse(a_i) + lse(b_i),   D_i = sum_j p_ij (a_ij - b_ij)
    dKL_i/da_ij = p_ij (a_ij - b_ij - D_i),   dKL_i/db_ij = q_ij - p_ij

so one pass with two online log-sum-exps and one weighted sum gives the values.
"""

import dataclasses
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from contrastive_jax.similarity.contract import Scores, lowest
from contrastive_jax.similarity.layout import Layout
from contrastive_jax.similarity.streaming import (
    Reduction,
    Side,
    anchors_of,
    never_equal,
    online_exp,
    reduce_rows,
)


def row_kl(
    teacher: Scores,
    student: Scores,
    anchor_row: Int[Array, " n"],
    contrast_row: Int[Array, " k"],
    *,
    layout: Layout,
    same_rows: bool,
) -> Float[Array, " n"]:
    """As `dense.row_kl`. `layout` says where the rows are, `same_rows` that anchors and contrasts are the same."""
    anchor_row, contrast_row = never_equal(anchor_row, contrast_row)
    return reduce_rows(
        RowKL(),
        Side((teacher.anchors, student.anchors), anchor_row),
        Side((teacher.contrasts, student.contrasts), contrast_row),
        (teacher.tau, student.tau),
        layout=layout,
        same_rows=same_rows,
    )


class Moments(NamedTuple):
    """What the backward pass needs to know of each anchor."""

    lse_a: Float[Array, " n"]
    lse_b: Float[Array, " n"]
    gap: Float[Array, " n"]
    """D_i, the mean of a - b under p."""


class Sums(NamedTuple):
    """The carry: running maxima, and sums of exponentials shifted by them."""

    top_a: Float[Array, " n"]
    sum_a: Float[Array, " n"]
    sum_gap: Float[Array, " n"]
    """Sum of a - b, weighted by the exponentials of a."""
    top_b: Float[Array, " n"]
    sum_b: Float[Array, " n"]


@dataclasses.dataclass(frozen=True)
class RowKL(Reduction):
    """The KL of each anchor; the matrices are (teacher, student), and `ids` the identities."""

    def start(self, full):
        zero = full(0)
        floor = full(lowest(zero.dtype) / 2)
        return Sums(floor, zero, zero, floor, zero)

    def fold(self, carry: Sums, logits, rows: Side, columns: Side):
        a, b = logits
        valid = _valid(rows, columns)
        top_a, shrink_a, exp_a = online_exp(carry.top_a, jnp.where(valid, a, lowest(a.dtype)))
        top_b, shrink_b, exp_b = online_exp(carry.top_b, jnp.where(valid, b, lowest(b.dtype)))
        return Sums(
            top_a,
            carry.sum_a * shrink_a + jnp.sum(exp_a, axis=1),
            carry.sum_gap * shrink_a + jnp.sum(exp_a * (a - b), axis=1),
            top_b,
            carry.sum_b * shrink_b + jnp.sum(exp_b, axis=1),
        )

    def finish(self, carry: Sums, rows: Side, columns: Side, scales):
        empty = carry.sum_a == 0
        sum_a, sum_b = jnp.where(empty, 1, carry.sum_a), jnp.where(empty, 1, carry.sum_b)
        lse_a, lse_b, gap = carry.top_a + jnp.log(sum_a), carry.top_b + jnp.log(sum_b), carry.sum_gap / sum_a
        return jnp.where(empty, 0, gap - lse_a + lse_b), Moments(lse_a, lse_b, gap)

    def split(self, result):
        return result

    def logit_gradients(self, logits, rows: Side, columns: Side):
        a, b = logits
        of_sides = [_gradients(a, b, saved, g) for saved, g in anchors_of(rows, columns)]
        valid = _valid(rows, columns)
        return tuple(jnp.where(valid, sum(of_matrix), 0) for of_matrix in zip(*of_sides))


def _valid(rows: Side, columns: Side) -> Bool[Array, "n k"]:
    return rows.ids[:, None] != columns.ids[None, :]


def _gradients(a: Float[Array, "n k"], b: Float[Array, "n k"], of: Moments, g: Array) -> tuple[Array, Array]:
    """`g dKL/da` and `g dKL/db` for the anchors of one side of the tile, before the mask."""
    p, q = jnp.exp(a - of.lse_a), jnp.exp(b - of.lse_b)
    return g * p * (a - b - of.gap), g * (q - p)
