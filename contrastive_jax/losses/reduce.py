"""From one loss value per anchor to the number that is trained.

The mean is a global one: under `jit` on sharded arrays, sum and count are taken over all devices before the
division, so anchors that drop out unevenly cannot skew it.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


def mean_keep(loss: Float[Array, "sample *copy"]) -> Float[Array, ""]:
    """Mean over all anchors; those without positives add 0 and stay in the count (SupContrast)."""
    return jnp.mean(loss)


def mean_drop(loss: Float[Array, "sample *copy"], has: Bool[Array, " sample"]) -> Float[Array, ""]:
    """Mean over the anchors with positives (SupCon-S in SelfCon); 0 where no anchor has any.

    `has` comes from `has_positive`; all copies (views, exits) of a sample share its value.
    """
    keep = _like(has, loss)
    return jnp.sum(jnp.where(keep, loss, 0)) / jnp.maximum(jnp.sum(keep, dtype=loss.dtype), 1)


def has_positive(label: Int[Array, " sample"], *, copies: int = 1) -> Bool[Array, " sample"]:
    """Whether another row of the batch (`copies` rows a sample) carries the same label.

    Counts by sorting, O(n log n): no n×n comparison, whatever the batch. `mean` of it is the share of
    anchors with positives, the metric to log beside either mean.
    """
    ordered = jnp.sort(label)
    first = jnp.searchsorted(ordered, label, side="left")
    last = jnp.searchsorted(ordered, label, side="right")
    return (last - first) * copies > 1


def share_with_positives(label: Int[Array, " sample"], *, copies: int = 1) -> Float[Array, ""]:
    """The share of anchors that have a positive, a metric to log beside the loss."""
    return jnp.mean(has_positive(label, copies=copies), dtype=jnp.float32)


def _like(has: Array, loss: Array) -> Array:
    return jnp.broadcast_to(has.reshape(has.shape + (1,) * (loss.ndim - 1)), loss.shape)
