"""SelfCon-SU (Bae et al. 2021, App. G): one view and no labels, the only positives are the image's other exits.

The authors found that it does not converge to anything useful: exits agree too easily. It is here to be seen.
"""

import dataclasses
from typing import ClassVar

import flax.linen as nn

from contrastive_jax.losses.reduce import mean_keep
from contrastive_jax.losses.selfcon import selfcon_su
from contrastive_jax.methods import _metrics, _one_encoder, _several_exits


@dataclasses.dataclass(frozen=True)
class SelfConSU:
    """Every exit of every image is an anchor."""

    encoder: nn.Module
    head: nn.Module
    tau: float = 0.5
    """Temperature."""
    loss_scale: float = 1.0
    """Factor on the mean over anchors; it scales the learning rate. SelfCon's code has tau / 0.07."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""
    views: ClassVar[int] = 1

    network = _one_encoder.network
    init = _several_exits.init
    embed = _one_encoder.embed
    after_update = _one_encoder.after_update
    features = _one_encoder.features

    def loss(self, embeddings, extra, batch, key, step):
        exits = _several_exits.stacked(embeddings)[:, 0]
        mean = mean_keep(selfcon_su(exits, tau=self.tau, impl=self.similarity))
        metrics = _metrics.by_instance("selfcon_su", mean, exits)
        return self.loss_scale * mean, (extra, metrics)
