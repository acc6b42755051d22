"""MoCo (He et al. 2020; v2: Chen et al. 2020) and MoCo v3 (Chen, Xie & He 2021): queries against a teacher's keys."""

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from contrastive_jax import losses
from contrastive_jax.losses import Queue, contrastive_top1, infonce_bound, l2_normalize, mean_keep
from contrastive_jax.methods.base import Collections, Tree
from contrastive_jax.methods.memory import check_memory
from contrastive_jax.methods.student_teacher import PredictingStudent, StudentTeacher, agreement
from contrastive_jax.models.outputs import FINAL
from contrastive_jax.similarity import Rows


class MoCoState(NamedTuple):
    """What MoCo remembers."""

    teacher: Tree
    """The teacher's parameters."""
    queue: Queue
    """Its keys of past batches, unlabelled."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class MoCo(StudentTeacher):
    """Query: the student's first view. Positive: the teacher's key of the second. Negatives: the queue alone.

    The queue is used, then the keys are pushed. Where BatchNorm works in groups, the keys pass the teacher in
    another order than the queries pass the student, so that no group holds a query together with its key (the
    authors' shuffling BatchNorm). A BatchNorm over the whole batch hides nothing and the order does not matter.
    """

    batch_size: int
    tau: float = 0.2
    """Temperature: 0.07 in the first paper, 0.2 in the second."""
    queue_size: int = 65536
    """Keys of past batches."""
    teacher_momentum: float = 0.999
    """Momentum of the moving average, constant."""
    loss_scale: float = 1.0
    """Factor on the mean over queries; it scales the learning rate."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""
    views: ClassVar[int] = 2
    shuffles: ClassVar[bool] = True

    def __post_init__(self):
        check_memory("queue_size", self.queue_size, self.batch_size)

    def init(self, key, views):
        key, queue_key = jax.random.split(key)
        params, collections, state = super().init(key, views)
        queue = losses.new_queue(queue_key, self.queue_size, self.head.dim)
        return params, collections, MoCoState(state.teacher, queue)

    def embed(self, params, collections, state, batch, key):
        """Normalised `query` and `key`, [batch, dim]."""
        view = batch["view"]
        query_key, key_key, order_key = jax.random.split(key, 3)
        q, student = self.project(params, collections.network, view[:, 0], query_key)
        k, teacher = self._keys(state.teacher, collections.teacher, view[:, 1], key_key, order_key)
        return {"query": l2_normalize(q[FINAL]), "key": l2_normalize(k)}, Collections(student, teacher)

    def loss(self, embeddings, state, batch, step, key):
        q, k, queue = embeddings["query"], embeddings["key"], state.queue
        mean = mean_keep(losses.moco(q, k, queue.z, tau=self.tau, impl=self.similarity))
        keys = Rows.of_keys(k, jnp.arange(q.shape[0]))
        metrics = {
            "loss_moco": mean,
            "positives_share": jnp.ones(()),
            "contrastive_top1": contrastive_top1(keys._replace(z=q), keys.joined(Rows.unlabelled(queue.z))),
            "infonce_bound": infonce_bound(mean, 1 + self.queue_size),
        }
        queue = losses.push(queue, k, jnp.full(k.shape[0], -1))
        return self.loss_scale * mean, state._replace(queue=queue), metrics

    def after_update(self, params, state, step):
        """Equivalent to the authors' order, which moves the teacher before the next step's keys."""
        return self.follow(params, state, self.teacher_momentum)

    def _keys(self, params, teacher, images, key, order_key):
        if self.encoder.norm_group == 0:
            return self.teach(params, teacher, images, key)
        order = jax.random.permutation(order_key, images.shape[0])
        k, teacher = self.teach(params, teacher, images[order], key)
        return k[jnp.argsort(order)], teacher


@dataclasses.dataclass(frozen=True, kw_only=True)
class MoCoV3(PredictingStudent):
    """Predictions of one view against the teacher's keys of the other, both directions added, mean over the images.

    The keys of the global batch are the contrasts; there is no queue.
    """

    tau: float = 0.2
    """Temperature: 0.2 for ViT, 1.0 for ResNet in the authors' code."""
    teacher_momentum: float = 0.99
    """Momentum of the moving average in the first step; it grows to 1 along a cosine."""
    loss_scale: float = 1.0
    """Factor on the loss; it scales the learning rate. The authors' code has 2 tau."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""

    def loss(self, embeddings, state, batch, step, key):
        q, z = l2_normalize(embeddings["prediction"]), l2_normalize(embeddings["target"])
        mean = mean_keep(losses.moco_v3_symmetric(q, z, tau=self.tau, impl=self.similarity))
        metrics = {
            "loss_moco_v3": mean,
            "positives_share": jnp.ones(()),
            "contrastive_top1": agreement(q[:, 0], z[:, 1]),
            "infonce_bound": infonce_bound(mean / 2, q.shape[0]),
            "teacher_momentum": self.momentum(step),
        }
        return self.loss_scale * mean, state, metrics

    def after_update(self, params, state, step):
        """Equivalent to the authors' order: at the start of the next step, with that step's momentum."""
        return self.follow(params, state, self.momentum(step + 1))
