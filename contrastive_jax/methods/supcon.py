"""SupCon (Khosla et al. 2020): images of one class attract, everything else repels. Eqs. 2 and 3, with memories.

The paper's baselines are in `supcon_baselines` and `cross_entropy`; SimCLR, its form without labels, in `generalized`.
"""

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from contrastive_jax import losses
from contrastive_jax.errors import InputError
from contrastive_jax.losses import Queue, l2_normalize, mean_drop, mean_keep
from contrastive_jax.methods import metrics
from contrastive_jax.methods.base import Collections, OneEncoder, Tree
from contrastive_jax.methods.memory import BankState, check_memory, remembered, share_with_memory
from contrastive_jax.methods.student_teacher import moving_average
from contrastive_jax.models.layers import Linear
from contrastive_jax.models.outputs import FINAL
from contrastive_jax.similarity import Rows


@dataclasses.dataclass(frozen=True, kw_only=True)
class SupCon(OneEncoder):
    """L_out, Eq. 2: the sum over positives outside the logarithm. An anchor without positives counts as 0."""

    tau: float = 0.1
    """Temperature."""
    loss_scale: float = 1.0
    """Factor on the mean over anchors; it scales the learning rate. SupContrast's code has tau / 0.07."""
    views: int = 2
    """Augmented views per image."""
    positives_cap: int = -1
    """Most views of other images that are positives of an anchor, a multiple of `views`; -1: all. Those beyond it leave
    the denominator too (Sec. 11). The anchor's own other views always count and are not counted here."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""
    needs_labels: ClassVar[bool] = True

    def __post_init__(self):
        if self.positives_cap != -1 and (self.positives_cap < 0 or self.positives_cap % self.views):
            raise InputError(
                f"config.method.positives_cap is {self.positives_cap}: give a multiple of the {self.views} views, or"
                " -1 for all positives."
            )

    def loss(self, embeddings, state, batch, step, key):
        z, label = embeddings[FINAL], batch["label"]
        per_anchor = losses.variants.supcon_capped(
            z, label, tau=self.tau, cap=self.positives_cap, impl=self.similarity
        )
        mean = mean_keep(per_anchor)
        found = metrics.by_label("supcon", mean, z, label)
        if self.positives_cap >= 0:
            del found["infonce_bound"]  # it counts contrasts that the cap takes away
        return self.loss_scale * mean, state, found


@dataclasses.dataclass(frozen=True, kw_only=True)
class SupConIn(OneEncoder):
    """L_in, Eq. 3: the sum over positives inside the logarithm. An anchor without positives counts as 0."""

    tau: float = 0.1
    """Temperature."""
    loss_scale: float = 1.0
    """Factor on the mean over anchors; it scales the learning rate. SupContrast's code has tau / 0.07."""
    views: int = 2
    """Augmented views per image."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""
    needs_labels: ClassVar[bool] = True

    def loss(self, embeddings, state, batch, step, key):
        z, label = embeddings[FINAL], batch["label"]
        mean = mean_keep(losses.supcon_in(z, label, tau=self.tau, impl=self.similarity))
        return self.loss_scale * mean, state, metrics.by_label("supcon_in", mean, z, label)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SupConS(OneEncoder):
    """SupCon-S (SelfCon, Sec. 4.1): one view, so that only other images can be positives.

    An anchor that is alone in its class is excluded from the mean but stays a contrast, as in SelfCon's code.
    """

    tau: float = 0.1
    """Temperature."""
    loss_scale: float = 1.0
    """Factor on the mean over anchors; it scales the learning rate. SelfCon's code has tau / 0.07."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""
    views: ClassVar[int] = 1
    needs_labels: ClassVar[bool] = True

    def loss(self, embeddings, state, batch, step, key):
        z, label = embeddings[FINAL], batch["label"]
        per_anchor = losses.supcon(z, label, tau=self.tau, impl=self.similarity)
        mean = mean_drop(per_anchor, losses.has_positive(label))
        return self.loss_scale * mean, state, metrics.by_label("supcon_s", mean, z, label)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SupConBank(OneEncoder):
    """SupCon against the batch and a memory bank of earlier embeddings (Sec. 4.1, "memory based alternatives").

    The bank is used, then updated. It starts with random directions without a label, which are negatives until they
    are overwritten. Entries may be stale: an earlier encoder made them (`SupConQueue` has a momentum encoder for
    that).
    """

    batch_size: int
    tau: float = 0.1
    """Temperature."""
    loss_scale: float = 1.0
    """Factor on the mean over anchors; it scales the learning rate."""
    views: int = 2
    """Augmented views per image."""
    bank_size: int = 8192
    """Embeddings remembered."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""
    needs_labels: ClassVar[bool] = True

    def __post_init__(self):
        check_memory("bank_size", self.bank_size, self.batch_size * self.views)

    def init(self, key, views):
        params, collections, _ = super().init(key, views)
        bank = losses.new_queue(jax.random.fold_in(key, 1), self.bank_size, self.head.dim)
        return params, collections, BankState(bank)

    def loss(self, embeddings, state, batch, step, key):
        z, label, bank = embeddings[FINAL], batch["label"], state.bank
        mean = mean_keep(losses.supcon_bank(z, label, bank.z, bank.label, tau=self.tau, impl=self.similarity))
        rows = Rows.of_views(z, label)
        found = metrics.contrastive("supcon_bank", mean, rows, rows.joined(remembered(bank)))
        found["positives_share"] = share_with_memory(label, bank, views=self.views)
        return self.loss_scale * mean, BankState(losses.push(bank, rows.z, rows.group)), found


class QueueState(NamedTuple):
    """What SupCon with a momentum encoder remembers."""

    teacher: Tree
    """Parameters of the momentum encoder."""
    queue: Queue
    """Its last keys with their labels."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SupConQueue(OneEncoder):
    """SupCon with a momentum encoder and a labelled queue: MoCo's memory (He et al. 2020) that knows the classes.

    Sec. 4.1 cites MoCo and gives no further detail. Chosen here: every view is a query; its contrasts are the keys
    that the momentum encoder makes of all views of the batch except the same view, and the queue of earlier keys. The
    queue is used, then updated. With a momentum of 0 and no queue that is SupCon without the gradient through the
    contrasts.
    """

    batch_size: int
    tau: float = 0.1
    """Temperature."""
    loss_scale: float = 1.0
    """Factor on the mean over anchors; it scales the learning rate."""
    views: int = 2
    """Augmented views per image."""
    queue_size: int = 8192
    """Keys remembered."""
    teacher_momentum: float = 0.999
    """Share of itself that the momentum encoder keeps at every step."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""
    needs_labels: ClassVar[bool] = True

    def __post_init__(self):
        check_memory("queue_size", self.queue_size, self.batch_size * self.views)

    def init(self, key, views):
        params, collections, _ = super().init(key, views)
        queue = losses.new_queue(jax.random.fold_in(key, 1), self.queue_size, self.head.dim)
        teacher, of_teacher = jax.tree.map(jnp.copy, (params, collections.network))
        return params, collections._replace(teacher=of_teacher), QueueState(teacher, queue)

    def embed(self, params, collections, state, batch, key):
        """Normalised `query` and `key` [batch, view, dim]; the teacher keeps its own BatchNorm statistics."""
        views, teacher_key = batch["view"], jax.random.fold_in(key, 1)
        (_, query), network = self.forward(params, collections.network, views, key)
        frozen = lax.stop_gradient(state.teacher)
        (_, made), teacher = self.forward(frozen, collections.teacher, views, teacher_key)
        embeddings = {
            "query": l2_normalize(query[FINAL]),
            "key": lax.stop_gradient(l2_normalize(made[FINAL])),
        }
        return embeddings, Collections(network, teacher)

    def loss(self, embeddings, state, batch, step, key):
        query, keys, label, queue = embeddings["query"], embeddings["key"], batch["label"], state.queue
        per_anchor = losses.supcon_queue(
            query, keys, label, queue.z, queue.label, tau=self.tau, impl=self.similarity
        )
        mean, made = mean_keep(per_anchor), Rows.of_views(keys, label)
        contrasts = made.joined(remembered(queue))
        found = metrics.contrastive("supcon_queue", mean, Rows.of_views(query, label), contrasts)
        found["positives_share"] = share_with_memory(label, queue, views=self.views)
        return (
            self.loss_scale * mean,
            state._replace(queue=losses.push(queue, made.z, made.group)),
            found,
        )

    def of_teacher(self, params, collections, state):
        """See `Method`."""
        return state.teacher, collections._replace(network=collections.teacher)

    def after_update(self, params, state, step):
        return state._replace(teacher=moving_average(state.teacher, params, self.teacher_momentum))


@dataclasses.dataclass(frozen=True, kw_only=True)
class SupConJoint(OneEncoder):
    """SupCon with its linear classifier trained at the same time, after a stop-gradient (Sec. 4.4).

    `params["probe"]` is the classifier of the backbone's representation. It sends nothing back, so encoder and
    projection learn as in `SupCon`; the paper reports roughly the accuracy of two stages.
    """

    num_classes: int
    tau: float = 0.1
    """Temperature."""
    loss_scale: float = 1.0
    """Factor on the mean over anchors; it scales the encoder's learning rate."""
    probe_scale: float = 1.0
    """Factor on the classifier's cross-entropy; it scales the classifier's learning rate."""
    views: int = 2
    """Augmented views per image."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""
    needs_labels: ClassVar[bool] = True

    @property
    def probe(self) -> Linear:
        return Linear(self.num_classes)

    def init(self, key, views):
        (exits, _), collections = self.network.init_with_output(key, views[:, 0], True)
        collections = dict(collections)
        probe = self.probe.init(jax.random.fold_in(key, 1), exits[FINAL])
        return {**collections.pop("params"), "probe": probe["params"]}, Collections(collections), ()

    def embed(self, params, collections, state, batch, key):
        """Normalised projections `z` [batch, view, dim] and the classifier's `logits` [batch, view, class]."""
        (exits, projected), network = self.forward(params, collections.network, batch["view"], key)
        logits = self.probe.apply({"params": params["probe"]}, lax.stop_gradient(exits[FINAL]))
        return {"z": l2_normalize(projected[FINAL]), "logits": logits}, collections._replace(network=network)

    def loss(self, embeddings, state, batch, step, key):
        z, label = embeddings["z"], batch["label"]
        mean = mean_keep(losses.supcon(z, label, tau=self.tau, impl=self.similarity))
        logits = embeddings["logits"].reshape(-1, self.num_classes)
        of_view = jnp.repeat(label, z.shape[1])
        probe = mean_keep(losses.cross_entropy(logits, of_view))
        found = metrics.by_label("supcon", mean, z, label)
        found |= {"loss_probe": probe, "accuracy_probe": metrics.accuracy(logits, of_view)}
        return self.loss_scale * mean + self.probe_scale * probe, state, found
