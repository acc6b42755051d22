"""One-stage SelfCon with contrastive representation distillation (CRD; Tian et al. 2020)."""

import dataclasses
from typing import ClassVar

import flax.linen as nn
import jax.numpy as jnp

from contrastive_jax.losses.crd import crd, crd_constant
from contrastive_jax.losses.distill import norm_scaled
from contrastive_jax.methods import _one_encoder, _one_stage, _one_stage_memory, _several_exits


@dataclasses.dataclass(frozen=True)
class SelfCon1StageCRD:
    """`extra["log_z"]`: each sub-network's normalising constant, taken at the first step, then kept."""

    encoder: nn.Module
    head: nn.Module
    num_classes: int
    examples: int
    form: str = "features"
    """`features`: of projection heads; `logits`."""
    beta: float = 0.8
    """Features: CE + beta l. Logits: beta CE + (1 - beta) l, where the paper takes 0.5."""
    tau: float = 0.07
    """Temperature."""
    negatives: int = 16384
    """Memory slots that every image is contrasted with, besides its own."""
    memory_momentum: float = 0.5
    """Share of itself that a slot keeps."""
    views: ClassVar[int] = 1

    __post_init__ = _one_stage_memory.check
    network = _one_stage.network
    embed = _one_stage.embed
    after_update = _one_encoder.after_update
    features = _one_encoder.features

    def init(self, key, views):
        params, extra = _one_stage_memory.init(self, key, views)
        return params, extra | {"log_z": {name: jnp.zeros(()) for name in _several_exits.subnetworks(params)}}

    def loss(self, embeddings, extra, batch, key, step):
        students, teacher = _one_stage.sides(embeddings)
        scores = _one_stage_memory.scores(self, students, extra, batch, key)
        log_z = {
            name: jnp.where(step == 0, crd_constant(s, examples=self.examples), extra["log_z"][name])
            for name, s in scores.items()
        }
        distilled = {
            name: norm_scaled(crd(s, log_z[name], examples=self.examples), teacher)
            for name, s in scores.items()
        }
        loss, metrics = _one_stage.total(self, embeddings, batch, distilled)
        return loss, (_one_stage_memory.updated(self, extra, batch, teacher) | {"log_z": log_z}, metrics)
