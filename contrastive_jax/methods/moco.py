"""MoCo (He et al. 2020; v2: Chen et al. 2020): queries against a slow teacher's keys and a queue of older keys."""

import dataclasses
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from contrastive_jax.errors import InputError
from contrastive_jax.losses import bank
from contrastive_jax.losses.diagnostics import contrastive_top1, infonce_bound
from contrastive_jax.losses.infonce import append
from contrastive_jax.losses.moco import moco, nameless
from contrastive_jax.losses.normalize import l2_normalize
from contrastive_jax.losses.reduce import mean_keep
from contrastive_jax.methods import _teacher
from contrastive_jax.models.outputs import FINAL
from contrastive_jax.similarity import Rows


@dataclasses.dataclass(frozen=True)
class MoCo:
    """Query: the student's first view. Positive: the teacher's key of the second. Negatives: the queue alone.

    The queue is used, then the keys are pushed. Where BatchNorm works in groups, the keys pass the teacher in
    another order than the queries pass the student, so that no group holds a query together with its key (the
    authors' shuffling BatchNorm); a BatchNorm over the whole batch cannot hide it and the order does not matter.
    """

    encoder: nn.Module
    head: nn.Module
    batch_size: int
    tau: float = 0.2
    """Temperature: 0.07 in the first paper, 0.2 in the second."""
    queue_size: int = 65536
    """Keys of past batches."""
    teacher_momentum: float = 0.999
    """Of the moving average, constant."""
    loss_scale: float = 1.0
    """Factor on the mean over queries; it scales the learning rate."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""
    views: ClassVar[int] = 2

    projector = _teacher.projector
    projected = _teacher.final_exit
    features = _teacher.features

    def __post_init__(self):
        if self.queue_size < self.batch_size:
            raise InputError(
                f"config.method.queue_size is {self.queue_size}: it must hold a batch of {self.batch_size} keys."
            )

    def init(self, key, views):
        key, queue_key = jax.random.split(key)
        params, extra = _teacher.start(self, key, views[:, 0], "projector")
        extra = _teacher.with_teacher(self, params, extra, views[:, 0])
        return params, {**extra, "queue": bank.queue(queue_key, self.queue_size, self.head.dim)}

    def embed(self, params, extra, batch, key):
        """Normalised `query` and `key`, `[batch, dim]`."""
        view = batch["view"]
        query_key, key_key, order_key = jax.random.split(key, 3)
        q, extra = _teacher.project(self, params, extra, view[:, 0], query_key)
        k, extra = self._keys(extra, view[:, 1], key_key, order_key)
        return {"query": l2_normalize(q[FINAL]), "key": l2_normalize(k)}, extra

    def loss(self, embeddings, extra, batch, key, step):
        q, k, queue = embeddings["query"], embeddings["key"], extra["queue"]
        mean = mean_keep(moco(q, k, queue.z, tau=self.tau, impl=self.similarity))
        instance = jnp.arange(q.shape[0])
        keys = Rows(k, jnp.full_like(instance, -1), instance)
        metrics = {
            "loss_moco": mean,
            "positives_share": jnp.ones(()),
            "contrastive_top1": contrastive_top1(keys._replace(z=q), keys.joined(Rows.unlabelled(queue.z))),
            "infonce_bound": infonce_bound(mean, 1 + self.queue_size),
        }
        queue = bank.push(queue, k, jnp.full(k.shape[0], -1))
        return self.loss_scale * mean, ({**extra, "queue": queue}, metrics)

    def after_update(self, params, extra, step):
        """The authors move the teacher before the next step's keys: the same."""
        return _teacher.follow(params, extra, self.teacher_momentum)

    def _keys(self, extra, images, key, order_key):
        if self.encoder.norm_group == 0:
            return _teacher.teach(self, extra, images, key)
        order = jax.random.permutation(order_key, images.shape[0])
        k, extra = _teacher.teach(self, extra, images[order], key)
        return k[jnp.argsort(order)], extra
