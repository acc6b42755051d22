"""SelfCon-M (Bae et al. 2021, Eq. 2): SupCon on the backbone and alpha times the sub-networks' anchors, two views.

What the released code computes under this name with alpha = 0 is another loss: `selfcon_m_joint`.
"""

import dataclasses

import flax.linen as nn

from contrastive_jax.losses.reduce import mean_keep
from contrastive_jax.losses.selfcon import sub_anchors
from contrastive_jax.losses.supcon import supcon
from contrastive_jax.methods import _metrics, _one_encoder, _several_exits


@dataclasses.dataclass(frozen=True)
class SelfConM:
    """Backbone anchors see backbone rows only, sub-network anchors every exit; each bracket is its own mean."""

    encoder: nn.Module
    head: nn.Module
    tau: float = 0.1
    """Temperature."""
    alpha: float = 1.0
    """Weight of the sub-networks' anchors."""
    loss_scale: float = 1.0
    """Factor on both means; it scales the learning rate. SelfCon's code has tau / 0.07."""
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
        backbone = mean_keep(supcon(exits[:, :, -1], label, tau=self.tau, impl=self.similarity))
        subs = mean_keep(sub_anchors(exits, label, tau=self.tau, impl=self.similarity))
        metrics = _metrics.by_label("backbone", backbone, exits[:, :, -1], label) | {"loss_subnetworks": subs}
        return self.loss_scale * (backbone + self.alpha * subs), (extra, metrics)
