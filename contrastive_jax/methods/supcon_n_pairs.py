"""N-pairs (Sohn 2016) in SupCon's framework (Khosla et al. 2020, Eq. 27): one positive, another image of the class."""

import dataclasses

import flax.linen as nn
import jax.numpy as jnp

from contrastive_jax.losses.infonce import copies_as_rows
from contrastive_jax.losses.reduce import has_positive, mean_keep
from contrastive_jax.losses.supcon import n_pairs
from contrastive_jax.methods import _metrics, _one_encoder
from contrastive_jax.models.outputs import FINAL


@dataclasses.dataclass(frozen=True)
class SupConNPairs:
    """Neither several views nor a temperature, as in the original; an image alone in its class counts as 0."""

    encoder: nn.Module
    head: nn.Module
    tau: float = 1.0
    """Temperature; the original has none."""
    loss_scale: float = 1.0
    """Factor on the mean over anchors; it scales the learning rate."""
    views: int = 1
    similarity: str = "auto"
    """Implementation of the similarity engine."""

    network = _one_encoder.network
    init = _one_encoder.init
    embed = _one_encoder.embed
    after_update = _one_encoder.after_update
    features = _one_encoder.features

    def loss(self, embeddings, extra, batch, key, step):
        z, label = embeddings[FINAL], batch["label"]
        mean = mean_keep(n_pairs(z, label, tau=self.tau, impl=self.similarity))
        rows = Rows.of_views(z, label)
        metrics = _metrics.contrastive("n_pairs", mean, rows, rows)
        metrics["positives_share"] = jnp.mean(has_positive(label), dtype=jnp.float32)
        return self.loss_scale * mean, (extra, metrics)
