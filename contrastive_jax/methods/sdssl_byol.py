"""SD-BYOL (Jang et al. 2023): BYOL whose intermediate layers predict the teacher's final projection too."""

import dataclasses
from typing import ClassVar

import flax.linen as nn

from contrastive_jax.losses.sdssl import layers_byol
from contrastive_jax.methods import _sdssl, _teacher


@dataclasses.dataclass(frozen=True)
class SDSSLBYOL:
    """L_ssl + alpha L_isd + beta L_pred (Eq. 8) with BYOL's squared distance.

    The authors' script takes the mean over all layers as L_ssl while alpha is 0, which it is in the first step
    alone; here the first step is like the others.
    """

    encoder: nn.Module
    head: nn.Module
    """The projectors, one for each exit; `hidden` is the width of the final one's hidden layers."""
    total_steps: int
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
    """Factor on the loss; it scales the learning rate."""
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
        q, z = embeddings["prediction"], embeddings["target"]
        loss, metrics = _sdssl.total(self, self._both(q, z), self._both(embeddings["detached"], z), step)
        return loss, (extra, metrics | {"contrastive_top1": _teacher.agreement(q[:, 0, -1], z[:, 1])})

    def _both(self, q, z):
        """Both directions added: each view's predictions against the other's targets."""
        return layers_byol(q[:, 0], z[:, 1]) + layers_byol(q[:, 1], z[:, 0])
