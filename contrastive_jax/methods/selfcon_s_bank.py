"""SelfCon-S with a memory bank of the outputs of all exits (Bae et al. 2021, Sec. 4.2, Table 5)."""

import dataclasses
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from contrastive_jax.losses import bank
from contrastive_jax.losses.infonce import append, copies_as_rows
from contrastive_jax.losses.reduce import has_positive, mean_keep
from contrastive_jax.losses.selfcon import selfcon_s_bank
from contrastive_jax.methods import _memory, _metrics, _one_encoder, _several_exits


@dataclasses.dataclass(frozen=True)
class SelfConSBank:
    """`extra["bank"]`: the last `bank_size` rows, every exit of an image is one; used, then updated.

    It starts with random directions without a label, which are negatives until they are overwritten.
    """

    encoder: nn.Module
    head: nn.Module
    batch_size: int
    tau: float = 0.1
    """Temperature."""
    loss_scale: float = 1.0
    """Factor on the mean over anchors; it scales the learning rate. SelfCon's code has tau / 0.07."""
    bank_size: int = 1024
    """Rows remembered."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""
    views: ClassVar[int] = 1

    network = _one_encoder.network
    embed = _one_encoder.embed
    after_update = _one_encoder.after_update
    features = _one_encoder.features

    def init(self, key, views):
        params, extra = _several_exits.init(self, key, views)
        _memory.check_size(
            "bank_size", self.bank_size, self.batch_size * (1 + len(_several_exits.subnetworks(params)))
        )
        return params, extra | {"bank": bank.queue(jax.random.fold_in(key, 1), self.bank_size, self.head.dim)}

    def loss(self, embeddings, extra, batch, key, step):
        exits, label, memory = _several_exits.stacked(embeddings)[:, 0], batch["label"], extra["bank"]
        mean = mean_keep(
            selfcon_s_bank(exits, label, memory.z, memory.label, tau=self.tau, impl=self.similarity)
        )
        rows = Rows.of_views(exits, label)
        metrics = _metrics.contrastive("selfcon_s_bank", mean, rows, rows.joined(_memory.remembered(memory)))
        has = has_positive(label, copies=exits.shape[1]) | jnp.isin(label, memory.label)
        metrics["positives_share"] = jnp.mean(has, dtype=jnp.float32)
        extra = extra | {"bank": bank.push(memory, rows.z, rows.group)}
        return self.loss_scale * mean, (extra, metrics)
