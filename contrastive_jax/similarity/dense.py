"""The readable reference: the whole N x K similarity matrix in memory, gradients by autodiff.

Every other implementation equals this one in value and gradient. Global view only: `engine` gathers.
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from contrastive_jax.similarity.contract import PairMask, Rows, RowStats, Scores, compute_dtype, lowest


def row_stats(
    anchors: Rows, contrasts: Rows, *, tau: float | Array, want: tuple[str, ...], mask: PairMask | None = None
) -> RowStats:
    """Row statistics of `S = anchors.z @ contrasts.z.T / tau`: [n] each, only those in `want`."""
    mask = mask or PairMask()
    s = logits(Scores(anchors.z, contrasts.z, tau))
    valid = distinct(anchors.row, contrasts.row) if mask.valid is None else mask.valid
    positive = same_group(anchors.group, contrasts.group) if mask.positive is None else mask.positive
    weight = jnp.where(valid, positive, 0).astype(s.dtype)
    one = jnp.ones_like(weight)
    compute = {
        "lse": lambda: masked_lse(s, jnp.where(valid, one, 0)),
        "pos_sum": lambda: jnp.sum(weight * s, axis=1),
        "pos_lse": lambda: masked_lse(s, weight),
        "neg_lse": lambda: masked_lse(s, jnp.where(valid & (weight == 0), one, 0)),
        "pos_count": lambda: jnp.sum(weight, axis=1),
    }
    return RowStats(**{name: compute[name]() for name in want})


def row_kl(
    teacher: Scores, student: Scores, anchor_row: Int[Array, " n"], contrast_row: Int[Array, " k"]
) -> Float[Array, " n"]:
    """`KL(softmax(a_i) || softmax(b_i))` of two logit matrices a (teacher) and b (student), per row."""
    a, b = logits(teacher), logits(student)
    valid = jnp.where(distinct(anchor_row, contrast_row), jnp.ones_like(a), 0)
    log_p = a - masked_lse(a, valid)[:, None]
    log_q = b - masked_lse(b, valid)[:, None]
    p = jnp.where(valid > 0, jnp.exp(jnp.where(valid > 0, log_p, 0)), 0)
    return jnp.sum(p * jnp.where(valid > 0, log_p - log_q, 0), axis=1)


def logits(scores: Scores) -> Float[Array, "n k"]:
    """`A C^T / tau` in float32 or wider, at the highest matrix-product precision."""
    dtype = compute_dtype(scores.anchors, scores.contrasts)
    a = scores.anchors.astype(dtype)
    # One conversion where both sides are one array: its gradient is then rounded once, as a whole.
    c = a if scores.contrasts is scores.anchors else scores.contrasts.astype(dtype)
    return jnp.matmul(a, c.T, precision=lax.Precision.HIGHEST) / jnp.asarray(scores.tau, dtype)


def distinct(anchor_row: Int[Array, " n"], contrast_row: Int[Array, " k"]) -> Bool[Array, "n k"]:
    """Pairs that take part: unequal rows, and every pair with an embedding that has no identity."""
    return (anchor_row[:, None] != contrast_row[None, :]) | (contrast_row < 0)[None, :]


def same_group(anchor_group: Int[Array, " n"], contrast_group: Int[Array, " k"]) -> Bool[Array, "n k"]:
    """Positive pairs, valid or not."""
    return (anchor_group[:, None] == contrast_group[None, :]) & (contrast_group != -1)[None, :]


def masked_lse(s: Float[Array, "n k"], weight: Float[Array, "n k"]) -> Float[Array, " n"]:
    """`log sum_j w_ij exp(s_ij)`; the dtype's lowest, with gradient 0, in a row without weight."""
    kept = weight > 0
    # The shift drops out of value and gradient; 0 where a row is empty, so that no exponent overflows.
    shift = lax.stop_gradient(jnp.max(jnp.where(kept, s, lowest(s.dtype)), axis=1, keepdims=True))
    exponent = jnp.where(kept, s - shift, 0)
    total = jnp.sum(jnp.where(kept, weight * jnp.exp(exponent), 0), axis=1)
    empty = total == 0
    return jnp.where(empty, lowest(s.dtype), shift[:, 0] + jnp.log(jnp.where(empty, 1, total)))
