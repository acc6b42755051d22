"""One-stage training as SelfCon's released code has it: three weights, and a backbone that feels the contrast.

Per sub-network `alpha CE + beta KD + gamma SelfCon(sub-network, backbone)`. Unlike the paper (`selfcon_1stage_selfcon`)
the backbone's features are not detached: only its random projection head is frozen.
"""

import dataclasses
from typing import ClassVar

import flax.linen as nn
import jax.numpy as jnp

from contrastive_jax.losses.classification import cross_entropy
from contrastive_jax.losses.distill import one_stage, soft_cross_entropy
from contrastive_jax.losses.normalize import l2_normalize
from contrastive_jax.losses.reduce import mean_keep, share_with_positives
from contrastive_jax.losses.selfcon import selfcon_s
from contrastive_jax.methods import _one_encoder, _one_stage
from contrastive_jax.models.outputs import FINAL


@dataclasses.dataclass(frozen=True)
class SelfCon1StageReleased:
    """KD is a cross-entropy with the detached backbone's softened posterior, times tau^2."""

    encoder: nn.Module
    head: nn.Module
    num_classes: int
    alpha: float = 1.0
    """Weight of the sub-networks' cross-entropy."""
    beta: float = 0.0
    """Weight of KD."""
    gamma: float = 0.8
    """Weight of SelfCon's mean over anchors; the code multiplies tau / 0.07 in."""
    tau: float = 3.0
    """Temperature of both KD and SelfCon."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""
    form: ClassVar[str] = "features"
    views: ClassVar[int] = 1

    network = _one_stage.network
    init = _one_stage.init
    embed = _one_stage.embed
    after_update = _one_encoder.after_update
    features = _one_encoder.features

    def loss(self, embeddings, extra, batch, key, step):
        label, logits = batch["label"], embeddings["logits"]
        seen = {name: l2_normalize(w) for name, w in embeddings["seen"].items()}
        backbone, subs = cross_entropy(logits[FINAL], label), []
        metrics = {f"loss_{FINAL}": mean_keep(backbone)}
        for name in sorted({*logits} - {FINAL}):
            pair = jnp.stack([seen[name], seen[FINAL]], axis=1)
            terms = {
                "": cross_entropy(logits[name], label),
                "kd_": soft_cross_entropy(logits[FINAL], logits[name], soft=self.tau),
                "selfcon_": jnp.mean(selfcon_s(pair, label, tau=self.tau, impl=self.similarity), axis=1),
            }
            metrics |= {f"loss_{what}{name}": mean_keep(loss) for what, loss in terms.items()}
            subs.append(list(terms.values()))
        loss = mean_keep(one_stage(backbone, subs, weights=(self.alpha, self.beta, self.gamma)))
        metrics["positives_share"] = share_with_positives(label, copies=2)
        return loss, (extra, metrics | _one_stage.accuracies(logits, label))
