"""What SelfCon's released code calls SelfCon-MU (its alpha = 0): every augmented view is an instance of its own.

Not the paper's Eq. 6, which is `selfcon_mu`: positives are the same view's other exits alone, and the other view
of the same image is a negative.
"""

import dataclasses

import flax.linen as nn

from contrastive_jax.losses.reduce import mean_keep
from contrastive_jax.losses.selfcon import selfcon_mu_joint
from contrastive_jax.methods import _metrics, _one_encoder, _several_exits


@dataclasses.dataclass(frozen=True)
class SelfConMUJoint:
    """SelfCon-SU on a batch in which every image occurs once per view."""

    encoder: nn.Module
    head: nn.Module
    tau: float = 0.5
    """Temperature."""
    loss_scale: float = 1.0
    """Factor on the mean over anchors; it scales the learning rate. SelfCon's code has tau / 0.07."""
    views: int = 2
    similarity: str = "auto"
    """Implementation of the similarity engine."""

    network = _one_encoder.network
    init = _several_exits.init
    embed = _one_encoder.embed
    after_update = _one_encoder.after_update
    features = _one_encoder.features

    def loss(self, embeddings, extra, batch, key, step):
        exits = _several_exits.stacked(embeddings)
        mean = mean_keep(selfcon_mu_joint(exits, tau=self.tau, impl=self.similarity))
        metrics = _metrics.by_instance("selfcon_mu_joint", mean, exits.reshape(-1, *exits.shape[2:]))
        return self.loss_scale * mean, (extra, metrics)
