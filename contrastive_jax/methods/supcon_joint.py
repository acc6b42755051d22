"""SupCon with its linear classifier trained at the same time, behind a stop-gradient (Khosla et al. 2020, Sec. 4.4).

The classifier sees the representation and sends nothing back, so encoder and projection learn as in `supcon`; the
paper reports about the accuracy of two stages.
"""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from contrastive_jax.losses.classification import cross_entropy
from contrastive_jax.losses.infonce import copies_as_rows
from contrastive_jax.losses.normalize import l2_normalize
from contrastive_jax.losses.reduce import mean_keep
from contrastive_jax.losses.supcon import supcon
from contrastive_jax.methods import _metrics, _one_encoder
from contrastive_jax.models.layers import Linear
from contrastive_jax.models.outputs import FINAL


@dataclasses.dataclass(frozen=True)
class SupConJoint:
    """`params["probe"]`: the classifier of the backbone's representation; one optimizer trains everything."""

    encoder: nn.Module
    head: nn.Module
    num_classes: int
    tau: float = 0.1
    """Temperature."""
    loss_scale: float = 1.0
    """Factor on the mean over anchors; it scales the encoder's learning rate."""
    probe_scale: float = 1.0
    """Factor on the classifier's cross-entropy; it scales the classifier's learning rate."""
    views: int = 2
    similarity: str = "auto"
    """Implementation of the similarity engine."""

    network = _one_encoder.network
    after_update = _one_encoder.after_update
    features = _one_encoder.features

    @property
    def probe(self) -> Linear:
        return Linear(self.num_classes)

    def init(self, key, views):
        (exits, _), extra = self.network.init_with_output(key, views[:, 0], True)
        extra = dict(extra)
        probe = self.probe.init(jax.random.fold_in(key, 1), exits[FINAL])
        return {**extra.pop("params"), "probe": probe["params"]}, extra

    def embed(self, params, extra, batch, key):
        """Normalised projections `z` [batch, view, dim] and the classifier's `logits` [batch, view, class]."""
        (exits, projected), extra = _one_encoder.forward_both(self.network, params, extra, batch["view"], key)
        logits = self.probe.apply({"params": params["probe"]}, lax.stop_gradient(exits[FINAL]))
        return {"z": l2_normalize(projected[FINAL]), "logits": logits}, extra

    def loss(self, embeddings, extra, batch, key, step):
        z, logits, label = embeddings["z"], embeddings["logits"], batch["label"]
        mean = mean_keep(supcon(z, label, tau=self.tau, impl=self.similarity))
        rows = Rows.of_views(z, label)
        classes = logits.reshape(-1, self.num_classes)
        probe = mean_keep(cross_entropy(classes, rows.group))
        metrics = _metrics.by_label("supcon", mean, z, label)
        metrics["loss_probe"] = probe
        metrics["accuracy_probe"] = jnp.mean(jnp.argmax(classes, -1) == rows.group, dtype=jnp.float32)
        return self.loss_scale * mean + self.probe_scale * probe, (extra, metrics)
