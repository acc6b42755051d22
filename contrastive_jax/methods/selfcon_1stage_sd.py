"""Self-distillation (SD) as SelfCon runs it in one stage: sub-networks learn the backbone's softened posterior."""

import dataclasses
from typing import ClassVar

import flax.linen as nn

from contrastive_jax.losses.distill import posterior_kl
from contrastive_jax.methods import _one_encoder, _one_stage


@dataclasses.dataclass(frozen=True)
class SelfCon1StageSD:
    """Sub-networks: `beta CE + (1 - beta) soft^2 KL(backbone || sub-network)`; the same in Tables 7 and 10."""

    encoder: nn.Module
    num_classes: int
    beta: float = 0.5
    """Weight of the sub-networks' cross-entropy."""
    soft: float = 3.0
    """Temperature of the posteriors; 3 in the released code."""
    form: ClassVar[str] = "logits"
    views: ClassVar[int] = 1

    __post_init__ = _one_stage.check
    network = _one_stage.network
    init = _one_stage.init
    embed = _one_stage.embed
    after_update = _one_encoder.after_update
    features = _one_encoder.features

    def loss(self, embeddings, extra, batch, key, step):
        students, teacher = _one_stage.sides(embeddings)
        distilled = {name: posterior_kl(teacher, z, soft=self.soft) for name, z in students.items()}
        loss, metrics = _one_stage.total(self, embeddings, batch, distilled)
        return loss, (extra, metrics)
