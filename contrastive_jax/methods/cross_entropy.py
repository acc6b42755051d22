"""Classifiers trained on labels alone: cross-entropy, and the large-margin softmax of SupCon's Table 2."""

import dataclasses
from typing import ClassVar

import flax.linen as nn
import jax.numpy as jnp

from contrastive_jax import losses
from contrastive_jax.losses import mean_keep
from contrastive_jax.methods import metrics
from contrastive_jax.methods.base import OneEncoder
from contrastive_jax.models.heads import MultiExit
from contrastive_jax.models.layers import Linear


@dataclasses.dataclass(frozen=True, kw_only=True)
class CrossEntropy(OneEncoder):
    """The supervised baseline of SupCon and SelfCon: a linear classifier on every exit.

    The loss is the sum over the exits (usually the backbone's alone) of the mean softmax cross-entropy. Where the
    augmentation mixes images, so are their losses: share CE(label) + (1 - share) CE(partner's label).
    """

    head: nn.Module | None = None
    """Not used: the heads are linear classifiers."""
    num_classes: int
    label_smoothing: float = 0.0
    """Share of the target spread evenly over all classes."""
    views: ClassVar[int] = 1
    needs_labels: ClassVar[bool] = True
    accepts_mixed_labels: ClassVar[bool] = True

    @property
    def network(self) -> MultiExit:
        return MultiExit(self.encoder, Linear(self.num_classes))

    def logits(self, params, collections, images):
        return self.outputs(params, collections, images)[1]

    def embed(self, params, collections, state, batch, key):
        """Logits `{exit: [batch, view, class]}`."""
        (_, logits), network = self.forward(params, collections.network, batch["view"], key)
        return logits, collections._replace(network=network)

    def loss(self, embeddings, state, batch, step, key):
        per_exit, found = [], {}
        for name, logits in embeddings.items():
            per_exit.append(mean_keep(self._per_image(logits[:, 0], batch)))
            found[f"loss_{name}"] = per_exit[-1]
            found[f"accuracy_{name}"] = metrics.accuracy(logits[:, 0], batch["label"])
        return sum(per_exit), state, found

    def _per_image(self, logits, batch):
        label = losses.cross_entropy(logits, batch["label"], label_smoothing=self.label_smoothing)
        if "share" not in batch:
            return label
        partner = losses.cross_entropy(logits, batch["partner"], label_smoothing=self.label_smoothing)
        return batch["share"] * label + (1 - batch["share"]) * partner


@dataclasses.dataclass(frozen=True, kw_only=True)
class SupConLargeMargin(OneEncoder):
    """Large-margin softmax (Liu et al. 2016), the `Max-Margin` baseline: a class must win by an angle.

    The loss is the sum over the exits of the mean large-margin cross-entropy of a linear classifier without bias. The
    margin enters slowly: at step t it is blended with the plain softmax, which keeps the share lambda / (1 + lambda),
    lambda = max(blend_min, blend (1 + blend_rate t)^(-blend_power)).
    """

    head: nn.Module | None = None
    """Not used: the heads are linear classifiers."""
    num_classes: int
    margin: int = 4
    """Factor on the angle to the weight of the image's class; 1 is cross-entropy."""
    blend: float = 1000.0
    """lambda at the first step."""
    blend_rate: float = 2e-5
    """How fast lambda falls, per step."""
    blend_power: float = 45.0
    """The exponent of its fall."""
    blend_min: float = 0.0
    """Its floor."""
    views: ClassVar[int] = 1
    needs_labels: ClassVar[bool] = True

    @property
    def network(self) -> MultiExit:
        return MultiExit(self.encoder, Linear(self.num_classes, use_bias=False))

    def logits(self, params, collections, images):
        return self.outputs(params, collections, images)[1]

    def embed(self, params, collections, state, batch, key):
        """Per exit, `logit` and `norm` = |w||x|, both [batch, view, class]."""
        (exits, logits), network = self.forward(params, collections.network, batch["view"], key)

        def norms(name):
            weight = jnp.linalg.norm(params[f"head_{name}"]["dense"]["kernel"], axis=0)
            # The square root has no gradient at 0, which a ReLU network can output.
            x = jnp.sqrt(jnp.maximum(jnp.sum(exits[name] ** 2, axis=-1, keepdims=True), 1e-12))
            return x * weight[None, None]

        found = {name: {"logit": logits[name], "norm": norms(name)} for name in logits}
        return found, collections._replace(network=network)

    def loss(self, embeddings, state, batch, step, key):
        label = batch["label"]
        blend = jnp.maximum(self.blend_min, self.blend * (1 + self.blend_rate * step) ** -self.blend_power)
        per_exit, found = [], {"margin_blend": blend}
        for name, seen in embeddings.items():
            logit, norm = seen["logit"][:, 0], seen["norm"][:, 0]
            per_image = losses.large_margin_of_logits(logit, norm, label, margin=self.margin, blend=blend)
            per_exit.append(mean_keep(per_image))
            found[f"loss_{name}"] = per_exit[-1]
            found[f"accuracy_{name}"] = metrics.accuracy(logit, label)
        return sum(per_exit), state, found
