"""SimCLR (Chen et al. 2020): two views of an image attract, all other images repel. NT-Xent, no labels."""

import dataclasses
from typing import ClassVar

import flax.linen as nn

from contrastive_jax.losses.generalized import nt_xent
from contrastive_jax.losses.reduce import mean_keep
from contrastive_jax.methods import _metrics, _one_encoder
from contrastive_jax.models.outputs import FINAL


@dataclasses.dataclass(frozen=True)
class SimCLR:
    """Contrasts the backbone's projections of two views."""

    encoder: nn.Module
    head: nn.Module
    tau: float = 0.5
    """Temperature."""
    loss_scale: float = 1.0
    """Factor on the mean over anchors; it scales the learning rate. SupContrast's code has tau / 0.07."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""
    views: ClassVar[int] = 2

    network = _one_encoder.network
    init = _one_encoder.init
    embed = _one_encoder.embed
    after_update = _one_encoder.after_update
    features = _one_encoder.features

    def loss(self, embeddings, extra, batch, key, step):
        z = embeddings[FINAL]
        mean = mean_keep(nt_xent(z, tau=self.tau, impl=self.similarity))
        metrics = _metrics.by_instance("nt_xent", mean, z)
        return self.loss_scale * mean, (extra, metrics)
