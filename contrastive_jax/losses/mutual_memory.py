"""Mutual Contrastive Learning with stored contrasts: the memory bank (ImageNet) and the MoCo form.

Memory bank: one memory per network, [example, dim], a slot per training example; each anchor is contrasted
with slots retrieved for it. `positives` [sample, 1 + pos] starts with the anchor's own slot; `negatives`
[sample, neg] are slots of other classes, drawn with replacement. Embeddings are L2-normalised by the caller,
memories and keys carry no gradient.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from contrastive_jax.losses.moco import moco, queue_logits
from contrastive_jax.losses.mutual import Cohort, pairs, total
from contrastive_jax.similarity import Rows, Scalar, Scores, l_out, row_kl

Memories = Sequence[Float[Array, "example dim"]]
Positives = Int[Array, "sample positive"]
Negatives = Int[Array, "sample negative"]


def vcl_memory(
    v: Cohort, memories: Memories, positives: Positives, negatives: Negatives, *, tau: Scalar
) -> Float[Array, " sample"]:
    """VCL against the network's own memory, the anchor's own slot left out; mean over its positives."""
    return total(_against(v_m, memory, positives[:, 1:], negatives, tau) for v_m, memory in zip(v, memories))


def icl_memory(
    v: Cohort, memories: Memories, positives: Positives, negatives: Negatives, *, tau: Scalar
) -> Float[Array, " sample"]:
    """ICL against the peer's memory, where the anchor's own slot is one more positive."""
    return total(_against(v[a], memories[b], positives, negatives, tau) for a, b in pairs(len(v)))


def soft_vcl_memory(
    v: Cohort,
    memories: Memories,
    positives: Positives,
    negatives: Negatives,
    *,
    tau: Scalar,
    soft: Scalar = 3.0,
) -> Float[Array, " sample"]:
    """`soft^2 KL(p_b || p_a)` of the distributions over VCL's slots, each network in its own memory."""
    slots = jnp.concatenate([positives[:, 1:], negatives], axis=1)
    return total(
        soft**2 * _slot_kl((v[b], memories[b]), (v[a], memories[a]), slots, tau * soft)
        for a, b in pairs(len(v))
    )


def soft_icl_memory(
    v: Cohort,
    memories: Memories,
    positives: Positives,
    negatives: Negatives,
    *,
    tau: Scalar,
    soft: Scalar = 3.0,
) -> Float[Array, " sample"]:
    """`soft^2 KL(q_{b->a} || q_{a->b})` over ICL's slots: each network in the other's memory."""
    slots = jnp.concatenate([positives, negatives], axis=1)
    return total(
        soft**2 * _slot_kl((v[b], memories[a]), (v[a], memories[b]), slots, tau * soft)
        for a, b in pairs(len(v))
    )


def vcl_moco(
    q: Cohort, k: Cohort, queues: Memories, *, tau: Scalar, impl: str = "auto"
) -> Float[Array, " sample"]:
    """VCL of MoCo: each network's queries against its own keys and queue."""
    return total(moco(*own, tau=tau, impl=impl) for own in zip(q, k, queues))


def icl_moco(
    q: Cohort, k: Cohort, queues: Memories, *, tau: Scalar, impl: str = "auto"
) -> Float[Array, " sample"]:
    """ICL of MoCo: queries of network a against the keys and queue of network b."""
    return total(moco(q[a], k[b], queues[b], tau=tau, impl=impl) for a, b in pairs(len(q)))


def soft_vcl_moco(
    q: Cohort, k: Cohort, queues: Memories, *, tau: Scalar, soft: Scalar = 3.0, impl: str = "auto"
) -> Float[Array, " sample"]:
    """`soft^2 KL(p_b || p_a)` over the own key and the queue."""
    own = [_choose(*parts, tau * soft, impl) for parts in zip(q, k, queues)]
    return total(soft**2 * _queue_kl(own[b], own[a], impl) for a, b in pairs(len(q)))


def soft_icl_moco(
    q: Cohort, k: Cohort, queues: Memories, *, tau: Scalar, soft: Scalar = 3.0, impl: str = "auto"
) -> Float[Array, " sample"]:
    """`soft^2 KL(q_{b->a} || q_{a->b})` over the peer's key and queue."""
    cross = {(a, b): _choose(q[a], k[b], queues[b], tau * soft, impl) for a, b in pairs(len(q))}
    return total(soft**2 * _queue_kl(cross[b, a], cross[a, b], impl) for a, b in pairs(len(q)))


def _against(v, memory, positives, negatives, tau) -> Array:
    """L_out of each anchor among the slots retrieved for it alone."""
    slots = jnp.concatenate([positives, negatives], axis=1)
    is_positive = jnp.arange(slots.shape[1]) < positives.shape[1]
    group = jnp.where(is_positive, 0, -1)

    def one(anchor, contrasts):
        own = Rows(anchor[None], jnp.full(1, -1), jnp.zeros(1, group.dtype))
        return l_out(own, Rows(contrasts, jnp.full_like(group, -1), group), tau=tau, impl="dense")[0]

    return jax.vmap(one)(v, lax.stop_gradient(memory)[slots])


def _slot_kl(teacher, student, slots, tau) -> Array:
    """KL of the softmaxes over the slots retrieved for each anchor; both are (embeddings, memory)."""

    def one(anchor_t, contrasts_t, anchor_s, contrasts_s):
        scores_t = Scores(lax.stop_gradient(anchor_t)[None], contrasts_t, tau)
        return row_kl(scores_t, Scores(anchor_s[None], contrasts_s, tau), impl="dense")[0]

    (v_t, memory_t), (v_s, memory_s) = teacher, student
    memory_t, memory_s = lax.stop_gradient((memory_t, memory_s))
    return jax.vmap(one)(v_t, memory_t[slots], v_s, memory_s[slots])


class _Choice(NamedTuple):
    """A softmax over the own key and a queue."""

    in_queue: Scores
    key: Array
    """log probability of the own key"""
    queue: Array
    """log probability of all the queue"""


def _choose(q, k, queue, tau, impl) -> _Choice:
    k, queue = lax.stop_gradient((k, queue))
    positive, against = queue_logits(q, k, queue, tau=tau, impl=impl)
    both = jnp.logaddexp(positive, against)
    return _Choice(Scores(q, queue, tau), positive - both, against - both)


def _queue_kl(teacher: _Choice, student: _Choice, impl) -> Array:
    """By the chain rule of KL: the choice between key and queue, then the choice inside the queue."""
    teacher = lax.stop_gradient(teacher)
    inside = row_kl(teacher.in_queue, student.in_queue, impl=impl)
    between = jnp.exp(teacher.key) * (teacher.key - student.key)
    return between + jnp.exp(teacher.queue) * (teacher.queue - student.queue + inside)
