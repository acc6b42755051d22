"""Cross-entropy: the supervised baseline of SupCon and SelfCon, a linear classifier on every exit."""

import dataclasses
from typing import ClassVar

import flax.linen as nn
import jax.numpy as jnp

from contrastive_jax.losses.classification import cross_entropy
from contrastive_jax.losses.reduce import mean_keep
from contrastive_jax.methods import _one_encoder
from contrastive_jax.models.heads import MultiExit
from contrastive_jax.models.layers import Linear


@dataclasses.dataclass(frozen=True)
class CrossEntropy:
    """Sum over the exits (usually the backbone's alone) of the mean softmax cross-entropy.

    Where the augmentation mixes images, so are their losses: share CE(label) + (1 - share) CE(partner's label).
    """

    encoder: nn.Module
    num_classes: int
    label_smoothing: float = 0.0
    views: ClassVar[int] = 1
    understands_mixtures: ClassVar[bool] = True

    @property
    def network(self) -> MultiExit:
        return MultiExit(self.encoder, Linear(self.num_classes))

    init = _one_encoder.init
    after_update = _one_encoder.after_update
    features = _one_encoder.features

    def embed(self, params, extra, batch, key):
        """Logits `{exit: [batch, view, class]}`."""
        return _one_encoder.forward(self.network, params, extra, batch["view"], key)

    def loss(self, embeddings, extra, batch, key, step):
        label = batch["label"]
        losses, metrics = [], {}
        for name, logits in embeddings.items():
            losses.append(mean_keep(self._per_image(logits[:, 0], batch)))
            metrics[f"loss_{name}"] = losses[-1]
            metrics[f"accuracy_{name}"] = jnp.mean(jnp.argmax(logits[:, 0], -1) == label, dtype=jnp.float32)
        return sum(losses), (extra, metrics)

    def _per_image(self, logits, batch):
        own = cross_entropy(logits, batch["label"], label_smoothing=self.label_smoothing)
        if "share" not in batch:
            return own
        other = cross_entropy(logits, batch["partner"], label_smoothing=self.label_smoothing)
        return batch["share"] * own + (1 - batch["share"]) * other
