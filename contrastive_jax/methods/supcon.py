"""SupCon (Khosla et al. 2020): all views of the same class attract, everything else repels. Eq. 2."""

import dataclasses

import flax.linen as nn

from contrastive_jax.losses.reduce import mean_keep
from contrastive_jax.losses.supcon import supcon
from contrastive_jax.methods import _metrics, _one_encoder
from contrastive_jax.models.outputs import FINAL


@dataclasses.dataclass(frozen=True)
class SupCon:
    """Contrasts the backbone's projections of `views` views. An anchor without positives counts as 0."""

    encoder: nn.Module
    head: nn.Module
    tau: float = 0.1
    """Temperature."""
    loss_scale: float = 1.0
    """Factor on the mean over anchors; it scales the learning rate. SupContrast's code has tau / 0.07."""
    views: int = 2
    similarity: str = "auto"
    """Implementation of the similarity engine."""

    network = _one_encoder.network
    init = _one_encoder.init
    embed = _one_encoder.embed
    after_update = _one_encoder.after_update
    features = _one_encoder.features

    def loss(self, embeddings, extra, batch, key, step):
        z, label = embeddings[FINAL], batch["label"]
        mean = mean_keep(supcon(z, label, tau=self.tau, impl=self.similarity))
        metrics = _metrics.by_label("supcon", mean, z, label)
        return self.loss_scale * mean, (extra, metrics)
