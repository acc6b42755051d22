"""Triplets in SupCon's framework (Khosla et al. 2020, Sec. 8): one positive and one negative per anchor.

No mining: both are drawn anew at every step, uniformly among the rows of the batch that qualify.
"""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from contrastive_jax.losses.infonce import copies_as_rows
from contrastive_jax.losses.reduce import mean_drop
from contrastive_jax.losses.supcon import triplet
from contrastive_jax.methods import _one_encoder
from contrastive_jax.models.outputs import FINAL


@dataclasses.dataclass(frozen=True)
class SupConTriplet:
    """Every view of every image is an anchor; one without a positive or a negative leaves the mean."""

    encoder: nn.Module
    head: nn.Module
    tau: float = 0.1
    """Temperature; to first order a margin of 2 tau."""
    loss_scale: float = 1.0
    """Factor on the mean over anchors; it scales the learning rate."""
    views: int = 2

    network = _one_encoder.network
    init = _one_encoder.init
    embed = _one_encoder.embed
    after_update = _one_encoder.after_update
    features = _one_encoder.features

    def loss(self, embeddings, extra, batch, key, step):
        rows = Rows.of_views(embeddings[FINAL], batch["label"])
        positive, negative, exists = drawn_triplets(key, rows.group)
        near, far = rows.z[positive], rows.z[negative]
        mean = mean_drop(triplet(rows.z, near, far, tau=self.tau), exists)
        ordered = jnp.sum(rows.z * near, axis=-1) > jnp.sum(rows.z * far, axis=-1)
        metrics = {
            "loss_triplet": mean,
            "triplets_ordered": mean_drop(ordered.astype(mean.dtype), exists),
            "positives_share": jnp.mean(exists, dtype=jnp.float32),
        }
        return self.loss_scale * mean, (extra, metrics)


def drawn_triplets(
    key: Array, label: Int[Array, " row"]
) -> tuple[Int[Array, " row"], Int[Array, " row"], Bool[Array, " row"]]:
    """A positive and a negative of every row, each uniform, and whether both exist.

    Rows are put in order of their label, so that a class is a stretch from `first` to `last`; O(n log n).
    """
    n = label.shape[0]
    order = jnp.argsort(label, stable=True)
    place = jnp.zeros_like(order).at[order].set(jnp.arange(n))
    first = jnp.searchsorted(label[order], label, side="left")
    size = jnp.searchsorted(label[order], label, side="right") - first
    key_positive, key_negative = jax.random.split(key)
    # Steps of 1 to size - 1 round the own stretch never come back to the anchor.
    step = jax.random.randint(key_positive, (n,), 1, jnp.maximum(size, 2))
    positive = first + (place - first + step) % size
    beyond = jax.random.randint(key_negative, (n,), 0, jnp.maximum(n - size, 1))
    negative = (first + size + beyond) % n
    return order[positive], order[negative], (size > 1) & (size < n)
