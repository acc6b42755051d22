"""SupCon with a momentum encoder and a queue: MoCo's memory (He et al. 2020) that knows the labels.

Khosla et al. 2020, Sec. 4.1, "memory based alternatives", cites MoCo and gives no further detail. Chosen here: every
view is a query; its contrasts are the keys that the momentum encoder makes of all views of the batch, but the
one of the same view, and the queue of earlier keys with their labels. With a momentum of 0 and no queue that is SupCon
but for the gradient through the contrasts.
"""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from contrastive_jax.losses import bank
from contrastive_jax.losses.infonce import append, copies_as_rows, l_out
from contrastive_jax.losses.normalize import l2_normalize
from contrastive_jax.losses.reduce import has_positive, mean_keep
from contrastive_jax.methods import _ema, _memory, _metrics, _one_encoder
from contrastive_jax.models.outputs import FINAL


@dataclasses.dataclass(frozen=True)
class SupConQueue:
    """`extra["teacher"]`: the momentum encoder; `extra["queue"]`: its last keys, used, then updated."""

    encoder: nn.Module
    head: nn.Module
    batch_size: int
    tau: float = 0.1
    """Temperature."""
    loss_scale: float = 1.0
    """Factor on the mean over anchors; it scales the learning rate."""
    views: int = 2
    queue_size: int = 8192
    """Keys remembered."""
    teacher_momentum: float = 0.999
    """Share of itself that the momentum encoder keeps at every step."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""

    def __post_init__(self):
        _memory.check_size("queue_size", self.queue_size, self.batch_size * self.views)

    network = _one_encoder.network
    features = _one_encoder.features

    def init(self, key, views):
        params, state = _one_encoder.init(self, key, views)
        teacher = jax.tree.map(jnp.copy, {"params": params, **state})
        queue = bank.queue(jax.random.fold_in(key, 1), self.queue_size, self.head.dim)
        return params, state | {"teacher": teacher, "queue": queue}

    def embed(self, params, extra, batch, key):
        """Normalised `query` and `key` [batch, view, dim]; the teacher keeps its own BatchNorm statistics."""
        query, extra = _one_encoder.forward(self.network, params, extra, batch["view"], key)
        state = dict(extra["teacher"])
        frozen = lax.stop_gradient(state.pop("params"))
        own_key = jax.random.fold_in(key, 1)
        made, state = _one_encoder.forward(self.network, frozen, state, batch["view"], own_key)
        embeddings = {
            "query": l2_normalize(query[FINAL]),
            "key": lax.stop_gradient(l2_normalize(made[FINAL])),
        }
        return embeddings, extra | {"teacher": {"params": extra["teacher"]["params"], **state}}

    def loss(self, embeddings, extra, batch, key, step):
        label, queue = batch["label"], extra["queue"]
        anchors, keys = (Rows.of_views(embeddings[name], label) for name in ("query", "key"))
        contrasts = keys.joined(_memory.remembered(queue))
        mean = mean_keep(l_out(anchors, contrasts, tau=self.tau, impl=self.similarity))
        metrics = _metrics.contrastive("supcon_queue", mean, anchors, contrasts)
        has = has_positive(label, copies=self.views) | jnp.isin(label, queue.label)
        metrics["positives_share"] = jnp.mean(has, dtype=jnp.float32)
        extra = extra | {"queue": bank.push(queue, keys.z, keys.group)}
        return self.loss_scale * mean, (extra, metrics)

    def after_update(self, params, extra, step):
        moved = _ema.update(extra["teacher"]["params"], params, self.teacher_momentum)
        return extra | {"teacher": extra["teacher"] | {"params": moved}}
