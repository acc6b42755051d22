"""BYOL (Grill et al. 2020): the student predicts what a slow teacher says of the other view. No negatives."""

import dataclasses
from typing import ClassVar

import flax.linen as nn
import jax.numpy as jnp

from contrastive_jax.losses.byol import byol_symmetric
from contrastive_jax.losses.reduce import mean_keep
from contrastive_jax.methods import _teacher


@dataclasses.dataclass(frozen=True)
class BYOL:
    """Squared distance of the normalised prediction and target, both directions added, mean over the images."""

    encoder: nn.Module
    head: nn.Module
    """The projector."""
    total_steps: int
    teacher_momentum: float = 0.996
    """Of the moving average in the first step; it grows to 1 along a cosine."""
    predictor_depth: int = 2
    predictor_hidden: int = 0
    """Width of the predictor's hidden layers; 0: as wide as the projection."""
    loss_scale: float = 1.0
    """Factor on the loss; it scales the learning rate."""
    views: ClassVar[int] = 2

    projector = _teacher.projector
    predictor = _teacher.predictor
    projected = _teacher.final_exit
    init = _teacher.init
    embed = _teacher.embed
    after_update = _teacher.after_update
    features = _teacher.features

    def loss(self, embeddings, extra, batch, key, step):
        q, z = embeddings["prediction"], embeddings["target"]
        mean = mean_keep(byol_symmetric(q, z))
        metrics = {
            "loss_byol": mean,
            "positives_share": jnp.ones(()),
            "contrastive_top1": _teacher.agreement(q[:, 0], z[:, 1]),
            "teacher_momentum": _teacher.momentum(self, step),
        }
        return self.loss_scale * mean, (extra, metrics)
