"""NT-Xent as a member of the generalized family (Chen, Luo & Li 2021, Eqs. 1 and 3), its two terms apart."""

import dataclasses
from typing import ClassVar

import flax.linen as nn

from contrastive_jax.losses.diagnostics import infonce_bound
from contrastive_jax.losses.generalized import decoupled_nt_xent_paper
from contrastive_jax.methods import _generalized, _one_encoder
from contrastive_jax.models.outputs import FINAL


@dataclasses.dataclass(frozen=True)
class IntriguingNTXent:
    """(alignment + tau * distribution) / tau, which is SimCLR's loss."""

    encoder: nn.Module
    head: nn.Module
    tau: float = 0.2
    """Temperature."""
    loss_scale: float = 1.0
    """Factor on the mean over anchors; it scales the learning rate. SimCLR's TensorFlow code has 2."""
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
        weighted, metrics = _generalized.total(terms, z, lam=self.tau)
        loss = weighted / self.tau
        return self.loss_scale * loss, (
            extra,
            metrics | {"infonce_bound": infonce_bound(loss, 2 * z.shape[0] - 1)},
        )
