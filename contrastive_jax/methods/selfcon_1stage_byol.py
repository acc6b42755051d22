"""One-stage SelfCon with BYOL's regression: sub-networks learn the direction of the backbone's output."""

import dataclasses
from typing import ClassVar

import flax.linen as nn

from contrastive_jax.losses.byol import byol
from contrastive_jax.losses.distill import norm_scaled
from contrastive_jax.methods import _one_encoder, _one_stage


@dataclasses.dataclass(frozen=True)
class SelfCon1StageBYOL:
    """The backbone of the same step takes the target network's place; there is no predictor."""

    encoder: nn.Module
    head: nn.Module
    num_classes: int
    form: str = "features"
    """`features`: of projection heads; `logits`."""
    beta: float = 1.0
    """Features: CE + beta l. Logits: beta CE + (1 - beta) l, where the paper takes 0.5."""
    views: ClassVar[int] = 1

    __post_init__ = _one_stage.check
    network = _one_stage.network
    init = _one_stage.init
    embed = _one_stage.embed
    after_update = _one_encoder.after_update
    features = _one_encoder.features

    def loss(self, embeddings, extra, batch, key, step):
        students, teacher = _one_stage.sides(embeddings)
        distilled = {name: norm_scaled(byol(w, teacher), teacher) for name, w in students.items()}
        loss, metrics = _one_stage.total(self, embeddings, batch, distilled)
        return loss, (extra, metrics)
