"""BYOL (Grill et al. 2020): the student predicts a slow teacher's projection of the other view. No negatives."""

import dataclasses

import jax.numpy as jnp

from contrastive_jax import losses
from contrastive_jax.losses import mean_keep
from contrastive_jax.methods.student_teacher import PredictingStudent, agreement


@dataclasses.dataclass(frozen=True, kw_only=True)
class BYOL(PredictingStudent):
    """Squared distance of the normalised prediction and target, both directions added, mean over the images."""

    loss_scale: float = 1.0
    """Factor on the loss; it scales the learning rate."""

    def loss(self, embeddings, state, batch, step, key):
        q, z = embeddings["prediction"], embeddings["target"]
        mean = mean_keep(losses.byol_symmetric(q, z))
        metrics = {
            "loss_byol": mean,
            "positives_share": jnp.ones(()),
            "contrastive_top1": agreement(q[:, 0], z[:, 1]),
            "teacher_momentum": self.momentum(step),
        }
        return self.loss_scale * mean, state, metrics
