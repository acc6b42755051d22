"""SD-SimCLR (Jang et al. 2023, Eq. 6): SimCLR whose intermediate layers mimic the other view's final output."""

import dataclasses
from typing import ClassVar

import flax.linen as nn

from contrastive_jax.losses.sdssl import isd_simclr
from contrastive_jax.methods import _sdssl, _sdssl_simclr, _teacher


@dataclasses.dataclass(frozen=True)
class SDSSLSimCLR:
    """NT-Xent of the final layer plus alpha L_isd. No teacher and no predictor: the target is detached."""

    encoder: nn.Module
    head: nn.Module
    """The projectors, one for each exit; `hidden` is the width of the final one's hidden layers."""
    total_steps: int
    tau: float = 0.2
    """Temperature."""
    alpha: float = 0.8
    """Peak of the weight of L_isd."""
    alpha_schedule: str = "cosine"
    """`cosine`: from 0 to the peak over the run. `constant`: the ablation."""
    layer_hidden: int = 0
    """Width of the hidden layers of the intermediate projectors; 0: as the final one's."""
    loss_scale: float = 1.0
    """Factor on the loss; it scales the learning rate."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""
    views: ClassVar[int] = 2

    __post_init__ = _sdssl.check
    projector = _sdssl.projector
    projected = _sdssl.every_exit
    init = _sdssl_simclr.init
    embed = _sdssl_simclr.embed
    after_update = _sdssl_simclr.after_update
    features = _teacher.features

    def loss(self, embeddings, extra, batch, key, step):
        isd = isd_simclr(embeddings, tau=self.tau, impl=self.similarity)
        loss, metrics = _sdssl_simclr.total(self, embeddings, isd, step)
        return loss, (extra, metrics)
