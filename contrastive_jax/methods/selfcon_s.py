"""SelfCon-S (Bae et al. 2021): one view, contrasted with itself through the network's exits. Eq. 3."""

import dataclasses
from typing import ClassVar

import flax.linen as nn
import jax.numpy as jnp

from contrastive_jax.losses.reduce import mean_keep
from contrastive_jax.losses.selfcon import selfcon_s
from contrastive_jax.methods import _metrics, _one_encoder


@dataclasses.dataclass(frozen=True)
class SelfConS:
    """Every exit of every image is an anchor; positives are all exits of the class, its own image included."""

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
        exits = jnp.concatenate(list(embeddings.values()), axis=1)  # [sample, exit, dim]: there is one view
        label = batch["label"]
        mean = mean_keep(selfcon_s(exits, label, tau=self.tau, impl=self.similarity))
        metrics = _metrics.by_label("selfcon_s", mean, exits, label)
        return self.loss_scale * mean, (extra, metrics)
