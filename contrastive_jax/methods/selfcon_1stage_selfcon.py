"""One-stage training with the SelfCon loss between each sub-network and the backbone."""

import dataclasses
from typing import ClassVar

import flax.linen as nn
import jax.numpy as jnp

from contrastive_jax.losses.diagnostics import contrastive_top1
from contrastive_jax.losses.distill import norm_scaled
from contrastive_jax.losses.infonce import copies_as_rows
from contrastive_jax.losses.normalize import l2_normalize
from contrastive_jax.losses.reduce import share_with_positives
from contrastive_jax.losses.selfcon import selfcon_s
from contrastive_jax.methods import _one_encoder, _one_stage


@dataclasses.dataclass(frozen=True)
class SelfCon1StageSelfCon:
    """Each sub-network and the backbone make a SelfCon-S of two exits, the backbone's detached."""

    encoder: nn.Module
    head: nn.Module
    num_classes: int
    form: str = "features"
    """`features`: of projection heads; `logits`."""
    beta: float = 1.0
    """Features: CE + beta l. Logits: beta CE + (1 - beta) l, where the paper takes 0.5."""
    tau: float = 3.0
    """Temperature."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""
    views: ClassVar[int] = 1

    __post_init__ = _one_stage.check
    network = _one_stage.network
    init = _one_stage.init
    embed = _one_stage.embed
    after_update = _one_encoder.after_update
    features = _one_encoder.features

    def loss(self, embeddings, extra, batch, key, step):
        students, teacher = _one_stage.sides(embeddings)
        label, distilled, top1 = batch["label"], {}, {}
        for name, w in students.items():
            pair = jnp.stack([l2_normalize(w), l2_normalize(teacher)], axis=1)
            per_image = jnp.mean(selfcon_s(pair, label, tau=self.tau, impl=self.similarity), axis=1)
            distilled[name] = norm_scaled(per_image, teacher)
            rows = Rows.of_views(pair, label)
            top1[f"contrastive_top1_{name}"] = contrastive_top1(rows, rows)
        loss, metrics = _one_stage.total(self, embeddings, batch, distilled)
        metrics["positives_share"] = share_with_positives(label, copies=2)
        return loss, (extra, metrics | top1)
