"""SupCon-S (SelfCon, Sec. 4.1): SupCon on a single view, where only other images can be positives."""

import dataclasses
from typing import ClassVar

import flax.linen as nn

from contrastive_jax.losses.reduce import has_positive, mean_drop
from contrastive_jax.losses.supcon import supcon
from contrastive_jax.methods import _metrics, _one_encoder
from contrastive_jax.models.outputs import FINAL


@dataclasses.dataclass(frozen=True)
class SupConS:
    """An anchor that is alone in its class leaves the mean but stays a contrast (SelfCon's code)."""

    encoder: nn.Module
    head: nn.Module
    tau: float = 0.1
    """Temperature."""
    loss_scale: float = 1.0
    """Factor on the mean over anchors; it scales the learning rate. SelfCon's code has tau / 0.07."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""
    views: ClassVar[int] = 1

    network = _one_encoder.network
    init = _one_encoder.init
    embed = _one_encoder.embed
    after_update = _one_encoder.after_update
    features = _one_encoder.features

    def loss(self, embeddings, extra, batch, key, step):
        z, label = embeddings[FINAL], batch["label"]
        mean = mean_drop(supcon(z, label, tau=self.tau, impl=self.similarity), has_positive(label))
        metrics = _metrics.by_label("supcon_s", mean, z, label)
        return self.loss_scale * mean, (extra, metrics)
