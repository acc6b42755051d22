"""SD-MoCo v3 (Jang et al. 2023, Alg. 1): MoCo v3 whose intermediate layers predict the teacher's keys too."""

import dataclasses
from typing import ClassVar

import flax.linen as nn

from contrastive_jax.losses.diagnostics import infonce_bound
from contrastive_jax.losses.normalize import l2_normalize
from contrastive_jax.losses.sdssl import layers_contrastive
from contrastive_jax.methods import _sdssl, _teacher


@dataclasses.dataclass(frozen=True)
class SDSSLMoCoV3:
    """L_ssl + alpha L_isd + beta L_pred (Eq. 8): the contrastive loss against the keys of the global batch, of the
    final layer, of the others, and of predictions from detached projections."""

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
    beta: float = 1.0
    """Weight of L_pred."""
    teacher_momentum: float = 0.996
    """Of the moving average in the first step; it grows to 1 along a cosine."""
    layer_hidden: int = 0
    """Width of the hidden layers of the intermediate projectors; 0: as the final one's."""
    predictor_depth: int = 2
    predictor_hidden: int = 0
    """Width of the predictors' hidden layers; 0: as wide as the projection."""
    loss_scale: float = 1.0
    """Factor on the loss; it scales the learning rate. The authors' code has 2 tau."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""
    views: ClassVar[int] = 2

    __post_init__ = _sdssl.check
    projector = _sdssl.projector
    predictor = _teacher.predictor
    projected = _sdssl.every_exit
    init = _teacher.init
    embed = _sdssl.embed
    after_update = _teacher.after_update
    features = _teacher.features

    def loss(self, embeddings, extra, batch, key, step):
        z = l2_normalize(embeddings["target"])
        layers = self._both(l2_normalize(embeddings["prediction"]), z)
        loss, metrics = _sdssl.total(self, layers, self._both(l2_normalize(embeddings["detached"]), z), step)
        metrics |= {
            "contrastive_top1": _teacher.agreement(embeddings["prediction"][:, 0, -1], z[:, 1]),
            "infonce_bound": infonce_bound(metrics["loss_ssl"] / 2, z.shape[0]),
        }
        return loss, (extra, metrics)

    def _both(self, q, z):
        """Both directions added: each view's predictions against the other's keys."""
        there = layers_contrastive(q[:, 0], z[:, 1], tau=self.tau, impl=self.similarity)
        return there + layers_contrastive(q[:, 1], z[:, 0], tau=self.tau, impl=self.similarity)
