"""What surrounds a loss: unit length before it, the mean over anchors after it, and metrics beside it.

The means are global. Under `jit` on sharded arrays, sum and count are taken over all devices before the division, so
anchors that drop out unevenly cannot skew it.
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from contrastive_jax.errors import InputError
from contrastive_jax.losses._checks import checked
from contrastive_jax.similarity import Rows, dense

ANCHORS = 256
"""Enough anchors to know the share to 3 points, and few enough to cost nothing beside the loss."""


def l2_normalize(z: Float[Array, "*batch dim"], eps: float = 1e-12) -> Float[Array, "*batch dim"]:
    """`z / |z|` over the last axis, in float32 or wider.

    Args:
      z: vectors. A zero vector stays zero, with a finite gradient.
      eps: lower bound on the squared length.

    Returns:
      Unit vectors.

    Example:
      >>> bool(jnp.allclose(losses.l2_normalize(jnp.array([3.0, 4.0])), jnp.array([0.6, 0.8])))
      True
    """
    z = z.astype(jnp.result_type(jnp.float32, z))
    return z * lax.rsqrt(jnp.maximum(jnp.sum(z * z, axis=-1, keepdims=True), eps))


def mean_keep(loss: Float[Array, "sample *copy"]) -> Float[Array, ""]:
    """Mean over all anchors; those without positives add 0 and stay in the count (SupContrast).

    Args:
      loss: what a loss returns, per anchor.

    Returns:
      The number to train.

    Example:
      >>> float(losses.mean_keep(jnp.array([[1.0, 3.0], [0.0, 0.0]])))
      1.0
    """
    return jnp.mean(loss)


@checked()
def mean_drop(loss: Float[Array, "sample *copy"], kept: Bool[Array, " sample"]) -> Float[Array, ""]:
    """Mean over the anchors with positives (SupCon-S in the SelfCon paper); 0 if there are none.

    Args:
      loss: what a loss returns, per anchor.
      kept: whether the sample has a positive, from `has_positive`; all copies (views, exits) of a sample share it.

    Returns:
      The number to train.

    Example:
      >>> float(losses.mean_drop(jnp.array([[1.0, 3.0], [0.0, 0.0]]), jnp.array([True, False])))
      2.0
    """
    keep = _like(kept, loss)
    return jnp.sum(jnp.where(keep, loss, 0)) / jnp.maximum(jnp.sum(keep, dtype=loss.dtype), 1)


@checked()
def has_positive(label: Int[Array, " sample"], *, copies: int = 1) -> Bool[Array, " sample"]:
    """Whether another row of the batch carries the same label.

    Equal labels are neighbours once they are sorted: O(n log n), without an n x n comparison and without a search.

    Args:
      label: class of each sample.
      copies: rows per sample (views, exits); from 2 on, every sample has a positive.

    Returns:
      One boolean per sample, for `mean_drop`.

    Example:
      >>> losses.has_positive(jnp.array([0, 0, 1])).tolist()
      [True, True, False]
    """
    if copies > 1:
        return jnp.ones(label.shape, bool)
    order = jnp.argsort(label)
    return jnp.zeros(label.shape, bool).at[order].set(_has_twin(label[order]), unique_indices=True)


@checked()
def share_with_positives(label: Int[Array, " sample"], *, copies: int = 1) -> Float[Array, ""]:
    """The share of anchors that have a positive, a metric to log beside the loss.

    Args:
      label: class of each sample.
      copies: rows per sample (views, exits).

    Returns:
      The mean of `has_positive`.

    Example:
      >>> float(losses.share_with_positives(jnp.array([0, 0, 1, 2])))
      0.5
    """
    if copies > 1:
        return jnp.ones(())
    return jnp.mean(_has_twin(jnp.sort(label)), dtype=jnp.float32)


def contrastive_top1(anchors: Rows, contrasts: Rows) -> Float[Array, ""]:
    """Share of the first (at most 256) anchors whose most similar valid contrast is a positive.

    Valid and positive mean what they mean in `row_stats`: equal rows are left out, equal groups attract. A positive
    must be nearer than every negative: a tie is a miss, so equal embeddings score 0, and so does an anchor without
    positives. Without any negative, a positive is enough. No gradient flows through it, and it costs one narrow
    product of similarities whatever the batch.

    Args:
      anchors: rows whose neighbours are looked up.
      contrasts: rows among which they are looked up.

    Returns:
      A share between 0 and 1.

    Example:
      >>> from contrastive_jax.similarity import Rows
      >>> rows = Rows.of_views(jnp.repeat(jnp.eye(4)[:, None], 2, axis=1), jnp.arange(4))
      >>> float(losses.contrastive_top1(rows, rows))
      1.0
    """
    if not (isinstance(anchors, Rows) and isinstance(contrasts, Rows)):
        raise InputError("contrastive_top1 expects Rows, such as similarity.Rows.of_views(z, label).")
    z, row, group = (lax.stop_gradient(part[:ANCHORS]) for part in anchors)
    contrasts = Rows(*(lax.stop_gradient(part) for part in contrasts))
    dtype = jnp.result_type(jnp.float32, z, contrasts.z)
    product = jnp.matmul(z.astype(dtype), contrasts.z.astype(dtype).T, precision=lax.Precision.HIGHEST)
    valid = dense.distinct(row, contrasts.row)
    positive = dense.same_group(group, contrasts.group)
    nearest_positive = jnp.max(jnp.where(valid & positive, product, -jnp.inf), axis=1)
    nearest_negative = jnp.max(jnp.where(valid & ~positive, product, -jnp.inf), axis=1)
    return jnp.mean(nearest_positive > nearest_negative, dtype=jnp.float32)


def infonce_bound(mean_loss: Float[Array, ""], contrasts: int) -> Float[Array, ""]:
    """`log(contrasts) - mean_loss` in nats: InfoNCE's lower bound on the information that positives share.

    Args:
      mean_loss: mean over anchors, before any `loss_scale`.
      contrasts: rows in each anchor's denominator. The bound never exceeds their log, and is 0 if an encoder gives the
        same embedding to all inputs.

    Returns:
      The bound, without gradient.

    Example:
      >>> float(losses.infonce_bound(jnp.log(15.0), contrasts=15))
      0.0
    """
    return jnp.log(jnp.asarray(contrasts, mean_loss.dtype)) - lax.stop_gradient(mean_loss)


def _has_twin(ordered: Int[Array, " n"]) -> Bool[Array, " n"]:
    """Whether the value before or after it is equal."""
    equal = ordered[1:] == ordered[:-1]
    return jnp.pad(equal, (1, 0)) | jnp.pad(equal, (0, 1))


def _like(has: Array, loss: Array) -> Array:
    return jnp.broadcast_to(has.reshape(has.shape + (1,) * (loss.ndim - 1)), loss.shape)
