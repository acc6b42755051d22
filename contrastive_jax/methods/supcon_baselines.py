"""N-pairs and triplets in SupCon's framework (Khosla et al. 2020): its special cases with one positive."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from contrastive_jax import losses
from contrastive_jax.losses import has_positive, mean_drop, mean_keep
from contrastive_jax.methods import metrics
from contrastive_jax.methods.base import OneEncoder
from contrastive_jax.models.outputs import FINAL
from contrastive_jax.similarity import Rows


@dataclasses.dataclass(frozen=True, kw_only=True)
class SupConNPairs(OneEncoder):
    """N-pairs (Sohn 2016; SupCon, Eq. 27): the positive is another image of the class.

    As in the original there is one view and no temperature; an image that is alone in its class counts as 0.
    """

    tau: float = 1.0
    """Temperature; the original has none."""
    loss_scale: float = 1.0
    """Factor on the mean over anchors; it scales the learning rate."""
    views: int = 1
    """Augmented views per image."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""
    needs_labels: ClassVar[bool] = True

    def loss(self, embeddings, state, batch, step, key):
        z, label = embeddings[FINAL], batch["label"]
        mean = mean_keep(losses.n_pairs(z, label, tau=self.tau, impl=self.similarity))
        rows = Rows.of_views(z, label)
        found = metrics.contrastive("n_pairs", mean, rows, rows)
        found["positives_share"] = jnp.mean(has_positive(label), dtype=jnp.float32)
        return self.loss_scale * mean, state, found


@dataclasses.dataclass(frozen=True, kw_only=True)
class SupConTriplet(OneEncoder):
    """Triplets (SupCon, Sec. 8): one positive and one negative per anchor, drawn anew at every step, without mining.

    Every view of every image is an anchor; one without a positive or a negative is excluded from the mean.
    """

    tau: float = 0.1
    """Temperature; to first order a margin of 2 tau."""
    loss_scale: float = 1.0
    """Factor on the mean over anchors; it scales the learning rate."""
    views: int = 2
    """Augmented views per image."""
    needs_labels: ClassVar[bool] = True

    def loss(self, embeddings, state, batch, step, key):
        rows = Rows.of_views(embeddings[FINAL], batch["label"])
        positive, negative, exists = drawn_triplets(key, rows.group)
        near, far = rows.z[positive], rows.z[negative]
        mean = mean_drop(losses.triplet(rows.z, near, far, tau=self.tau), exists)
        ordered = jnp.sum(rows.z * near, axis=-1) > jnp.sum(rows.z * far, axis=-1)
        found = {
            "loss_triplet": mean,
            "triplets_ordered": mean_drop(ordered.astype(mean.dtype), exists),
            "positives_share": jnp.mean(exists, dtype=jnp.float32),
        }
        return self.loss_scale * mean, state, found


def drawn_triplets(
    key: Array, label: Int[Array, " row"]
) -> tuple[Int[Array, " row"], Int[Array, " row"], Bool[Array, " row"]]:
    """A positive and a negative of every row, each uniform, and whether both exist.

    Rows are sorted by label, so that a class is a run from `first` to `last`; O(n log n).
    """
    n = label.shape[0]
    order = jnp.argsort(label, stable=True)
    place = jnp.zeros_like(order).at[order].set(jnp.arange(n))
    first = jnp.searchsorted(label[order], label, side="left")
    size = jnp.searchsorted(label[order], label, side="right") - first
    key_positive, key_negative = jax.random.split(key)
    # Steps of 1 to size - 1 around the run never come back to the anchor.
    step = jax.random.randint(key_positive, (n,), 1, jnp.maximum(size, 2))
    positive = first + (place - first + step) % size
    beyond = jax.random.randint(key_negative, (n,), 0, jnp.maximum(n - size, 1))
    negative = (first + size + beyond) % n
    return order[positive], order[negative], (size > 1) & (size < n)
