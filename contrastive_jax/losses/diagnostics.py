"""What a contrastive run reports beside its loss: does the nearest contrast agree, and what the loss bounds.

No gradient flows through these; they cost one narrow product of similarities whatever the batch.
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from contrastive_jax.similarity import Rows, dense

ANCHORS = 256
"""Enough anchors to know the share to 3 points, and few enough to cost nothing beside the loss."""


def contrastive_top1(anchors: Rows, contrasts: Rows) -> Float[Array, ""]:
    """Share of the first (at most 256) anchors whose most similar valid contrast is a positive.

    Valid and positive are what `row_stats` takes them for: equal rows are left out, equal groups attract. A
    positive must be nearer than every negative: a tie is a miss, so equal embeddings score 0, and so does an
    anchor without positives. Without any negative, a positive is enough.
    """
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
    """`log(contrasts) - mean_loss` in nats: InfoNCE's lower bound of the information that positives share.

    Args:
      mean_loss: mean over anchors, before any `loss_scale`.
      contrasts: rows in each anchor's denominator. The bound never exceeds their log, and is 0 where an
        encoder gives the same embedding to all.
    """
    return jnp.log(jnp.asarray(contrasts, mean_loss.dtype)) - lax.stop_gradient(mean_loss)
