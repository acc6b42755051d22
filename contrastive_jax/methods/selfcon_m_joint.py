"""What SelfCon's released code calls SelfCon-M (its alpha = 0): every exit of every view against everything.

Not the paper's Eq. 2, which is `selfcon_m`: there is no separate SupCon term, and the backbone's anchors are
contrasted with the sub-networks too.
"""

import dataclasses

import flax.linen as nn

from contrastive_jax.losses.reduce import mean_keep
from contrastive_jax.losses.selfcon import selfcon_m_joint
from contrastive_jax.methods import _metrics, _one_encoder, _several_exits


@dataclasses.dataclass(frozen=True)
class SelfConMJoint:
    """Positives are all rows of the class: every view of every image at every exit."""

    encoder: nn.Module
    head: nn.Module
    tau: float = 0.1
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
        exits, label = _several_exits.stacked(embeddings), batch["label"]
        mean = mean_keep(selfcon_m_joint(exits, label, tau=self.tau, impl=self.similarity))
        copies = exits.reshape(exits.shape[0], -1, exits.shape[-1])
        metrics = _metrics.by_label("selfcon_m_joint", mean, copies, label)
        return self.loss_scale * mean, (extra, metrics)
