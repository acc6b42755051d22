"""The readable reference: the whole N x K similarity matrix in memory, gradients by autodiff.

Every other implementation equals this one in value and gradient. Contrasts are those of all devices: `engine` gathers.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from contrastive_jax.similarity.contract import (
    NO_GROUP,
    PairMask,
    Rows,
    RowStats,
    Scalar,
    Scores,
    compute_dtype,
    lowest,
)


def row_stats(
    anchors: Rows, contrasts: Rows, *, tau: Scalar, want: tuple[str, ...], mask: PairMask | None = None
) -> RowStats:
    """The statistics in `want` of each row of `S = anchors.z @ contrasts.z.T / tau`, [n] each."""
    mask = mask or PairMask()
    s = logits(Scores(anchors.z, contrasts.z, tau))
    valid = distinct(anchors.row, contrasts.row) if mask.valid is None else mask.valid
    weight = same_group(anchors.group, contrasts.group) if mask.positive is None else mask.positive
    positive, negative = valid & (weight > 0), valid & (weight == 0)
    weight = positive if weight.dtype == bool else jnp.where(positive, weight, 0)
    compute = {
        "lse": lambda: masked_lse(s, valid),
        "pos_sum": lambda: jnp.sum(weight * s, axis=1),
        "pos_lse": lambda: masked_lse(s, weight),
        "neg_lse": lambda: masked_lse(s, negative),
        "pos_count": lambda: jnp.sum(weight, axis=1, dtype=s.dtype),
    }
    return RowStats(**{name: compute[name]() for name in want})


def row_kl(
    teacher: Scores, student: Scores, anchor_row: Int[Array, " n"], contrast_row: Int[Array, " k"]
) -> Float[Array, " n"]:
    """`KL(softmax(a_i) || softmax(b_i))` of two logit matrices a (teacher) and b (student), per row."""
    a, b = logits(teacher), logits(student)
    valid = distinct(anchor_row, contrast_row)
    log_p = jnp.where(valid, a - masked_lse(a, valid)[:, None], 0)
    log_q = jnp.where(valid, b - masked_lse(b, valid)[:, None], 0)
    return jnp.sum(jnp.where(valid, jnp.exp(log_p), 0) * (log_p - log_q), axis=1)


def logits(scores: Scores) -> Float[Array, "n k"]:
    """`A C^T / tau` in float32 or wider, at the highest matrix-product precision."""
    dtype = compute_dtype(scores.anchors, scores.contrasts)
    a = scores.anchors.astype(dtype)
    # Where both sides are one array it is converted once, so that its gradient is rounded once, as a whole.
    c = a if scores.contrasts is scores.anchors else scores.contrasts.astype(dtype)
    return jnp.matmul(a, c.T, precision=lax.Precision.HIGHEST) / jnp.asarray(scores.tau, dtype)


def distinct(anchor_row: Int[Array, " n"], contrast_row: Int[Array, " k"]) -> Bool[Array, "n k"]:
    """Pairs that take part: those of unequal identity, and every pair with an embedding that has none."""
    return (anchor_row[:, None] != contrast_row[None, :]) | (contrast_row < 0)[None, :]


def same_group(anchor_group: Int[Array, " n"], contrast_group: Int[Array, " k"]) -> Bool[Array, "n k"]:
    """Pairs of equal group, whether they take part or not."""
    return (anchor_group[:, None] == contrast_group[None, :]) & (contrast_group != NO_GROUP)[None, :]


def masked_lse(
    s: Float[Array, "n k"], weight: Bool[Array, "n k"] | Float[Array, "n k"]
) -> Float[Array, " n"]:
    """`log sum_j w_ij exp(s_ij)`; the dtype's lowest number, with gradient 0, for a row without weight."""
    kept = weight > 0
    if weight.dtype != bool:
        s = s + jnp.log(jnp.where(kept, weight, 1)).astype(s.dtype)
    # Finite in place of -inf: a row of nothing but the lowest then has neither inf - inf nor 0 * inf.
    return jax.nn.logsumexp(jnp.where(kept, s, lowest(s.dtype)), axis=1)
