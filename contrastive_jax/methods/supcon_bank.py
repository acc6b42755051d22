"""SupCon with a memory bank: the contrasts are the batch and the embeddings of the batches before it.

Khosla et al. 2020, Sec. 4.1, "memory based alternatives". Entries keep the label with which they came; they are
as old as they are, embedded by an earlier encoder (`supcon_queue` has a momentum encoder for them).
"""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp

from contrastive_jax.losses import bank
from contrastive_jax.losses.infonce import append, copies_as_rows
from contrastive_jax.losses.reduce import has_positive, mean_keep
from contrastive_jax.losses.supcon import supcon_bank
from contrastive_jax.methods import _memory, _metrics, _one_encoder
from contrastive_jax.models.outputs import FINAL


@dataclasses.dataclass(frozen=True)
class SupConBank:
    """`extra["bank"]`: the last `bank_size` embeddings of all views, first in, first out; used, then updated.

    It starts with random directions without a label, which are negatives until they are overwritten.
    """

    encoder: nn.Module
    head: nn.Module
    batch_size: int
    tau: float = 0.1
    """Temperature."""
    loss_scale: float = 1.0
    """Factor on the mean over anchors; it scales the learning rate."""
    views: int = 2
    bank_size: int = 8192
    """Embeddings remembered."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""

    def __post_init__(self):
        _memory.check_size("bank_size", self.bank_size, self.batch_size * self.views)

    network = _one_encoder.network
    embed = _one_encoder.embed
    after_update = _one_encoder.after_update
    features = _one_encoder.features

    def init(self, key, views):
        params, extra = _one_encoder.init(self, key, views)
        return params, extra | {"bank": bank.queue(jax.random.fold_in(key, 1), self.bank_size, self.head.dim)}

    def loss(self, embeddings, extra, batch, key, step):
        z, label, memory = embeddings[FINAL], batch["label"], extra["bank"]
        mean = mean_keep(supcon_bank(z, label, memory.z, memory.label, tau=self.tau, impl=self.similarity))
        rows = Rows.of_views(z, label)
        metrics = _metrics.contrastive("supcon_bank", mean, rows, rows.joined(_memory.remembered(memory)))
        has = has_positive(label, copies=self.views) | jnp.isin(label, memory.label)
        metrics["positives_share"] = jnp.mean(has, dtype=jnp.float32)
        extra = extra | {"bank": bank.push(memory, rows.z, rows.group)}
        return self.loss_scale * mean, (extra, metrics)
