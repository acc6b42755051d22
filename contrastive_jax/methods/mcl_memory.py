"""MCL (Yang et al. 2022) with contrasts from outside the batch: memory banks (Fig. 3) and MoCo's queues (Fig. 2)."""

import dataclasses
from functools import partial
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from contrastive_jax import losses
from contrastive_jax.errors import InputError
from contrastive_jax.losses import Queue, infonce_bound, l2_normalize
from contrastive_jax.methods.base import Collections, Tree
from contrastive_jax.methods.cohort import (
    DISTILLATIONS,
    CohortMethod,
    classify,
    distillation,
    weighted,
)
from contrastive_jax.methods.memory import check_memory
from contrastive_jax.methods.student_teacher import moving_average
from contrastive_jax.models.apply import apply_train
from contrastive_jax.models.fields import check_choice


class Slots(NamedTuple):
    """Where the memory slots of each class are."""

    order: Int[Array, " example"]
    """Slots sorted by class."""
    start: Int[Array, " class"]
    """Where each class's run begins."""
    count: Int[Array, " class"]
    """Its length."""


class MCLBankState(NamedTuple):
    """What MCL with memory banks remembers."""

    memory: dict[str, Float[Array, "example dim"]]
    """One embedding per training example, for each network."""
    slots: Slots
    """Constant: a function of the training set's labels."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class MCLBank(CohortMethod):
    """MCL with memory banks (Fig. 3): for many classes, where a batch holds too few images of each.

    Every network remembers one embedding per training example. An anchor is contrasted with slots drawn for it: some of
    its class, many of other classes. The banks are used first and then moved towards the batch.
    """

    num_classes: int
    labels: Any
    """Labels of the training set: they say which slots are positives."""
    tau: float = 0.07
    """Temperature."""
    soft: float = 3.0
    """Softens the distributions of the soft terms: their temperature is tau * soft, their factor soft^2."""
    positives: int = 1
    """Slots of the anchor's class drawn besides its own; the draw may pick the anchor's slot again."""
    negatives: int = 8192
    """Slots of other classes drawn, with replacement."""
    memory_momentum: float = 0.5
    """m <- normalise(momentum m + (1 - momentum) v)."""
    cross_entropy: float = 1.0
    """Weight of the classifiers' loss."""
    vcl: float = 0.1
    """alpha, weight of the vanilla contrastive loss."""
    soft_vcl: float = 1.0
    """gamma, weight of its mimicry."""
    icl: float = 0.1
    """beta, weight of the interactive contrastive loss."""
    soft_icl: float = 1.0
    """lambda, weight of its mimicry."""
    distillation: str = "none"
    """On logits: `ensemble` (all learn from the mean), `ensemble_last`, `deep_mutual` (DML), `collaborative` (CL)."""
    distillation_weight: float = 1.0
    """Weight of the distillation on logits."""
    needs_labels: ClassVar[bool] = True

    def __post_init__(self):
        check_choice("method.distillation", self.distillation, DISTILLATIONS)

    def init(self, key, views):
        _, counts = np.unique(self.labels, return_counts=True)
        if np.min(self.labels) < 0 or len(counts) < 2:
            raise InputError("the memory bank of MCL needs labels of at least two classes.")
        key, *memory_keys = jax.random.split(key, 1 + self.networks)
        params, collections, _ = super().init(key, views)
        memory = {
            name: losses.new_memory(memory_key, len(self.labels), self.head.dim)
            for name, memory_key in zip(self.cohort.names, memory_keys)
        }
        return params, collections, MCLBankState(memory, slots_by_class(self.labels, self.num_classes))

    def loss(self, embeddings, state, batch, step, key):
        label, index, logits = batch["label"], batch["index"], embeddings["logits"]
        classified, found = classify(logits, label)
        z, memories = list(embeddings["z"].values()), list(state.memory.values())
        positives, negatives = drawn_by_class(
            key, state.slots, index, label, positives=self.positives, negatives=self.negatives
        )
        drawn = (z, memories, positives, negatives)
        hard, soft = dict(tau=self.tau), dict(tau=self.tau, soft=self.soft)
        total, terms = weighted(
            {
                "vcl": (self.vcl, partial(losses.vcl_memory, *drawn, **hard)),
                "soft_vcl": (self.soft_vcl, partial(losses.soft_vcl_memory, *drawn, **soft)),
                "icl": (self.icl, partial(losses.icl_memory, *drawn, **hard)),
                "soft_icl": (self.soft_icl, partial(losses.soft_icl_memory, *drawn, **soft)),
                "distillation": distillation(self.distillation, self.distillation_weight, logits),
            }
        )
        if self.vcl:
            contrasts = self.positives + self.negatives
            terms["infonce_bound"] = infonce_bound(terms["loss_vcl"] / self.networks, contrasts)
        memory = {
            name: losses.update_memory(old, index, embeddings["z"][name], momentum=self.memory_momentum)
            for name, old in state.memory.items()
        }
        found |= terms | {"loss_cross_entropy": classified, "positives_share": jnp.ones(())}
        return self.cross_entropy * classified + total, state._replace(memory=memory), found


class MCLMoCoState(NamedTuple):
    """What MCL on MoCo remembers."""

    teacher: Tree
    """Parameters of the networks' slow copies."""
    queue: dict[str, Queue]
    """Each slow copy's last keys."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class MCLMoCo(CohortMethod):
    """MCL on MoCo and MoCo v2 (Fig. 2): networks that learn together without labels; all four terms weigh 1.

    Every network has a slow copy that makes keys, and a queue of them, used before the new keys enter. MoCo has a
    linear head (`head.depth=1`), MoCo v2 an MLP (`head.depth=2`). The authors move the slow copies before the keys of
    a step; here they move after the previous step, which is the same.
    """

    batch_size: int
    tau: float = 0.07
    """Temperature."""
    soft: float = 3.0
    """Softens the distributions of the soft terms: their temperature is tau * soft, their factor soft^2."""
    queue_size: int = 65536
    """Keys of past batches."""
    teacher_momentum: float = 0.999
    """Momentum of the moving average, constant."""
    vcl: float = 1.0
    """alpha, weight of the vanilla contrastive loss."""
    soft_vcl: float = 1.0
    """gamma, weight of its mimicry."""
    icl: float = 1.0
    """beta, weight of the interactive contrastive loss."""
    soft_icl: float = 1.0
    """lambda, weight of its mimicry."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""
    num_classes: ClassVar[int] = 0
    views: ClassVar[int] = 2
    shuffles: ClassVar[bool] = True

    def __post_init__(self):
        check_memory("queue_size", self.queue_size, self.batch_size)

    def init(self, key, views):
        key, *queue_keys = jax.random.split(key, 1 + self.networks)
        params, collections, _ = super().init(key, views)
        queues = {
            name: losses.new_queue(queue_key, self.queue_size, self.head.dim)
            for name, queue_key in zip(self.cohort.names, queue_keys)
        }
        teacher, of_teacher = jax.tree.map(jnp.copy, (params, collections.network))
        return params, collections._replace(teacher=of_teacher), MCLMoCoState(teacher, queues)

    def embed(self, params, collections, state, batch, key):
        """Normalised `query` (first view) and `key` (second view, by the slow copies): `{net: [batch, dim]}`."""
        query_key, key = jax.random.split(key)
        queries, network = self._pass(params, collections.network, batch["view"][:, 0], query_key)
        keys, teacher = self._keys(state.teacher, collections.teacher, batch["view"][:, 1], key)
        return {"query": queries, "key": jax.lax.stop_gradient(keys)}, Collections(network, teacher)

    def loss(self, embeddings, state, batch, step, key):
        queries, keys = (list(embeddings[name].values()) for name in ("query", "key"))
        drawn = (queries, keys, [queue.z for queue in state.queue.values()])
        hard = dict(tau=self.tau, impl=self.similarity)
        soft = dict(**hard, soft=self.soft)
        total, terms = weighted(
            {
                "vcl": (self.vcl, partial(losses.vcl_moco, *drawn, **hard)),
                "soft_vcl": (self.soft_vcl, partial(losses.soft_vcl_moco, *drawn, **soft)),
                "icl": (self.icl, partial(losses.icl_moco, *drawn, **hard)),
                "soft_icl": (self.soft_icl, partial(losses.soft_icl_moco, *drawn, **soft)),
            }
        )
        if self.vcl:
            terms["infonce_bound"] = infonce_bound(terms["loss_vcl"] / self.networks, 1 + self.queue_size)
        unlabelled = jnp.full(len(batch["index"]), -1)
        queue = {
            name: losses.push(old, embeddings["key"][name], unlabelled) for name, old in state.queue.items()
        }
        return total, state._replace(queue=queue), terms | {"positives_share": jnp.ones(())}

    def of_teacher(self, params, collections, state):
        """See `Method`."""
        return state.teacher, collections._replace(network=collections.teacher)

    def after_update(self, params, state, step):
        return state._replace(teacher=moving_average(state.teacher, params, self.teacher_momentum))

    def _pass(self, params, network, images, key):
        peers, network = apply_train(self.network, params, network, images, key=key)
        return {name: l2_normalize(peer.embedding) for name, peer in peers.items()}, network

    def _keys(self, params, teacher, images, key):
        """In another order than the queries, where BatchNorm works in groups: no group sees a query's key."""
        if self.encoder.norm_group == 0:
            return self._pass(params, teacher, images, key)
        order_key, key = jax.random.split(key)
        order = jax.random.permutation(order_key, len(images))
        keys, teacher = self._pass(params, teacher, images[order], key)
        return jax.tree.map(lambda k: k[jnp.argsort(order)], keys), teacher


def slots_by_class(labels: np.ndarray, classes: int) -> Slots:
    """The slots of the training examples, found by their class."""
    count = np.bincount(labels, minlength=classes)
    found = (np.argsort(labels, kind="stable"), np.cumsum(count) - count, count)
    return Slots(*(jnp.asarray(values, jnp.int32) for values in found))


def drawn_by_class(
    key: Array,
    slots: Slots,
    index: Int[Array, " sample"],
    label: Int[Array, " sample"],
    *,
    positives: int,
    negatives: int,
) -> tuple[Int[Array, "sample positive"], Int[Array, "sample negative"]]:
    """Slots for every anchor: [sample, 1 + positives], its own first, and [sample, negatives] of other classes."""
    order, start, count = slots.order, slots.start[label][:, None], slots.count[label][:, None]
    of_class, of_others = (
        jax.random.uniform(k, (len(label), n)) for k, n in zip(jax.random.split(key), (positives, negatives))
    )
    same = start + jnp.floor(of_class * count).astype(jnp.int32)
    others = len(order) - count
    # Counted from the end of the class's run and around: every slot of another class is equally likely.
    other = (start + count + jnp.floor(of_others * others).astype(jnp.int32)) % len(order)
    own = index.astype(jnp.int32)[:, None]
    return jnp.concatenate([own, order[same]], axis=1), order[other]
