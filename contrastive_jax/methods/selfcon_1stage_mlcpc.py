"""One-stage SelfCon with multi-label contrastive predictive coding (ML-CPC; Song & Ermon 2020)."""

import dataclasses
from typing import ClassVar

import flax.linen as nn

from contrastive_jax.losses.crd import ml_cpc
from contrastive_jax.losses.distill import norm_scaled
from contrastive_jax.methods import _one_encoder, _one_stage, _one_stage_memory


@dataclasses.dataclass(frozen=True)
class SelfCon1StageMLCPC:
    """As CRD, but each image picks its slot among those of the whole batch, under one denominator."""

    encoder: nn.Module
    head: nn.Module
    num_classes: int
    examples: int
    form: str = "features"
    """`features`: of projection heads; `logits`."""
    beta: float = 1.0
    """Features: CE + beta l. Logits: beta CE + (1 - beta) l, where the paper takes 0.5."""
    tau: float = 0.07
    """Temperature."""
    alpha: float = 0.01
    """Weight of the positives in the denominator."""
    negatives: int = 16384
    """Memory slots that every image is contrasted with, besides its own."""
    memory_momentum: float = 0.5
    """Share of itself that a slot keeps."""
    views: ClassVar[int] = 1

    __post_init__ = _one_stage_memory.check
    network = _one_stage.network
    init = _one_stage_memory.init
    embed = _one_stage.embed
    after_update = _one_encoder.after_update
    features = _one_encoder.features

    def loss(self, embeddings, extra, batch, key, step):
        students, teacher = _one_stage.sides(embeddings)
        scores = _one_stage_memory.scores(self, students, extra, batch, key)
        distilled = {name: norm_scaled(ml_cpc(s, alpha=self.alpha), teacher) for name, s in scores.items()}
        loss, metrics = _one_stage.total(self, embeddings, batch, distilled)
        return loss, (_one_stage_memory.updated(self, extra, batch, teacher), metrics)
