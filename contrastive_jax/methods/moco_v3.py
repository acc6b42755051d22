"""MoCo v3 (Chen, Xie & He 2021): predictions of one view against a slow teacher's keys of the other."""

import dataclasses
from typing import ClassVar

import flax.linen as nn
import jax.numpy as jnp

from contrastive_jax.losses.diagnostics import infonce_bound
from contrastive_jax.losses.moco import moco_v3_symmetric
from contrastive_jax.losses.normalize import l2_normalize
from contrastive_jax.losses.reduce import mean_keep
from contrastive_jax.methods import _teacher


@dataclasses.dataclass(frozen=True)
class MoCoV3:
    """The keys of the global batch are the contrasts, no queue. Both directions added, mean over the images."""

    encoder: nn.Module
    head: nn.Module
    """The projector."""
    total_steps: int
    tau: float = 0.2
    """Temperature: 0.2 for ViT, 1.0 for ResNet in the authors' code."""
    teacher_momentum: float = 0.99
    """Of the moving average in the first step; it grows to 1 along a cosine."""
    predictor_depth: int = 2
    predictor_hidden: int = 0
    """Width of the predictor's hidden layers; 0: as wide as the projection."""
    loss_scale: float = 1.0
    """Factor on the loss; it scales the learning rate. The authors' code has 2 tau."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""
    views: ClassVar[int] = 2

    projector = _teacher.projector
    predictor = _teacher.predictor
    projected = _teacher.final_exit
    init = _teacher.init
    embed = _teacher.embed
    features = _teacher.features

    def loss(self, embeddings, extra, batch, key, step):
        q, z = l2_normalize(embeddings["prediction"]), l2_normalize(embeddings["target"])
        mean = mean_keep(moco_v3_symmetric(q, z, tau=self.tau, impl=self.similarity))
        metrics = {
            "loss_moco_v3": mean,
            "positives_share": jnp.ones(()),
            "contrastive_top1": _teacher.agreement(q[:, 0], z[:, 1]),
            "infonce_bound": infonce_bound(mean / 2, q.shape[0]),
            "teacher_momentum": _teacher.momentum(self, step),
        }
        return self.loss_scale * mean, (extra, metrics)

    def after_update(self, params, extra, step):
        """The authors move the teacher at the start of the next step, with that step's momentum: the same."""
        return _teacher.follow(params, extra, _teacher.momentum(self, step + 1))
