"""Large-margin softmax (Liu et al. 2016), SupCon's `Max-Margin` baseline: a classifier that must win by an angle."""

import dataclasses
from typing import ClassVar

import flax.linen as nn
import jax.numpy as jnp

from contrastive_jax.losses.classification import large_margin_of_logits
from contrastive_jax.losses.reduce import mean_keep
from contrastive_jax.methods import _one_encoder
from contrastive_jax.models.heads import MultiExit
from contrastive_jax.models.layers import Linear


@dataclasses.dataclass(frozen=True)
class SupConLargeMargin:
    """Sum over the exits of the mean large-margin cross-entropy of a linear classifier without bias.

    The margin enters slowly: at step t it is blended with the plain softmax, which keeps the share
    lambda / (1 + lambda), lambda = max(blend_min, blend (1 + blend_rate t)^(-blend_power)).
    """

    encoder: nn.Module
    num_classes: int
    margin: int = 4
    """Factor on the angle to the own class's weight; 1: cross-entropy."""
    blend: float = 1000.0
    blend_rate: float = 2e-5
    blend_power: float = 45.0
    blend_min: float = 0.0
    views: ClassVar[int] = 1

    @property
    def network(self) -> MultiExit:
        return MultiExit(self.encoder, Linear(self.num_classes, use_bias=False))

    init = _one_encoder.init
    after_update = _one_encoder.after_update
    features = _one_encoder.features

    def embed(self, params, extra, batch, key):
        """Per exit, `logit` and `norm` = |w||x|, both [batch, view, class]."""
        (exits, logits), extra = _one_encoder.forward_both(self.network, params, extra, batch["view"], key)

        def norms(name):
            weight = jnp.linalg.norm(params[f"head_{name}"]["dense"]["kernel"], axis=0)
            # The square root has no gradient at 0, which a ReLU network can output.
            x = jnp.sqrt(jnp.maximum(jnp.sum(exits[name] ** 2, axis=-1, keepdims=True), 1e-12))
            return x * weight[None, None]

        return {name: {"logit": logits[name], "norm": norms(name)} for name in logits}, extra

    def loss(self, embeddings, extra, batch, key, step):
        label = batch["label"]
        blend = jnp.maximum(self.blend_min, self.blend * (1 + self.blend_rate * step) ** -self.blend_power)
        losses, metrics = [], {"margin_blend": blend}
        for name, found in embeddings.items():
            logit, norm = found["logit"][:, 0], found["norm"][:, 0]
            per_image = large_margin_of_logits(logit, norm, label, margin=self.margin, blend=blend)
            losses.append(mean_keep(per_image))
            metrics[f"loss_{name}"] = losses[-1]
            metrics[f"accuracy_{name}"] = jnp.mean(jnp.argmax(logit, -1) == label, dtype=jnp.float32)
        return sum(losses), (extra, metrics)
