"""Decoupled NT-Xent as the paper writes it (Chen, Luo & Li 2021, Eqs. 3 and 4): NT-Xent where lambda is tau."""

import dataclasses
from typing import ClassVar

import flax.linen as nn

from contrastive_jax.losses.generalized import decoupled_nt_xent_paper
from contrastive_jax.methods import _generalized, _one_encoder
from contrastive_jax.models.outputs import FINAL


@dataclasses.dataclass(frozen=True)
class IntriguingDecoupledPaper:
    """Minus the similarity of the views plus lambda times the log-sum-exp over all other rows."""

    encoder: nn.Module
    head: nn.Module
    tau: float = 1.0
    """Temperature of the distribution term."""
    lam: float = 0.1
    """lambda, the weight of the distribution term."""
    loss_scale: float = 1.0
    """Factor on the loss; it scales the learning rate. 1 / lambda gives NT-Xent's scale."""
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
        terms = decoupled_nt_xent_paper(z, tau=self.tau, impl=self.similarity)
        loss, metrics = _generalized.total(terms, z, lam=self.lam)
        return self.loss_scale * loss, (extra, metrics)
