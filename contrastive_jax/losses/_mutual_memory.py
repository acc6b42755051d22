"""Mutual Contrastive Learning against memory banks (the ImageNet form): Yang et al., 2022 (AAAI).

There is one memory per network with a slot per training example. Each anchor is contrasted with the slots retrieved
for it.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from contrastive_jax.losses._checks import checked
from contrastive_jax.losses._mutual import Cohort, pairs, total
from contrastive_jax.similarity import Rows, Scalar, Scores, l_out, row_kl

Memories = Sequence[Float[Array, "example dim"]]
Positives = Int[Array, "sample positive"]
"""Slots of the anchor's class; the anchor's slot comes first."""
Negatives = Int[Array, "sample negative"]
"""Slots of other classes, drawn with replacement."""


@checked("v")
def vcl_memory(
    v: Cohort, memories: Memories, positives: Positives, negatives: Negatives, *, tau: Scalar
) -> Float[Array, " sample"]:
    """VCL (Eqs. 1, 2) against each network's memory; the anchor's slot is left out, the mean is over its positives.

    Args:
      v: unit-length embeddings of each network.
      memories: the memory of each network; detached.
      positives: slots of the anchor's class, the anchor's slot first.
      negatives: slots of other classes.
      tau: temperature.

    Returns:
      The loss of each sample.

    Example:
      >>> v = list(losses.l2_normalize(jax.random.normal(jax.random.key(0), (2, 4, 8))))
      >>> memory = losses.new_memory(jax.random.key(1), examples=10, dim=8)
      >>> positives, negatives = jnp.arange(8).reshape(2, 4).T, jnp.full((4, 3), 9)
      >>> losses.vcl_memory(v, [memory, memory], positives, negatives, tau=0.1).shape
      (4,)
    """
    return total(_against(v_m, memory, positives[:, 1:], negatives, tau) for v_m, memory in zip(v, memories))


@checked("v")
def icl_memory(
    v: Cohort, memories: Memories, positives: Positives, negatives: Negatives, *, tau: Scalar
) -> Float[Array, " sample"]:
    """ICL (Eqs. 3, 4) against the peer's memory, in which the anchor's slot is one more positive.

    Args:
      v: unit-length embeddings of each network, at least two.
      memories: the memory of each network; detached.
      positives: slots of the anchor's class, the anchor's slot first.
      negatives: slots of other classes.
      tau: temperature.

    Returns:
      The loss of each sample.

    Example:
      >>> v = list(losses.l2_normalize(jax.random.normal(jax.random.key(0), (2, 4, 8))))
      >>> memory = losses.new_memory(jax.random.key(1), examples=10, dim=8)
      >>> positives, negatives = jnp.arange(8).reshape(2, 4).T, jnp.full((4, 3), 9)
      >>> losses.icl_memory(v, [memory, memory], positives, negatives, tau=0.1).shape
      (4,)
    """
    return total(_against(v[a], memories[b], positives, negatives, tau) for a, b in pairs(len(v)))


@checked("v")
def soft_vcl_memory(
    v: Cohort,
    memories: Memories,
    positives: Positives,
    negatives: Negatives,
    *,
    tau: Scalar,
    soft: Scalar = 3.0,
) -> Float[Array, " sample"]:
    """Soft VCL (Eq. 6): `soft^2 KL(p_b || p_a)` over VCL's slots, each network in its memory.

    Args:
      v: unit-length embeddings of each network, at least two; the teacher b is detached.
      memories: the memory of each network; detached.
      positives: slots of the anchor's class, the anchor's slot first.
      negatives: slots of other classes.
      tau: temperature.
      soft: factor on the temperature.

    Returns:
      The loss of each sample.

    Example:
      >>> v = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 8)))
      >>> memory = losses.new_memory(jax.random.key(1), examples=10, dim=8)
      >>> slots = jnp.arange(8).reshape(2, 4).T, jnp.full((4, 3), 9)
      >>> loss = losses.soft_vcl_memory([v, v], [memory, memory], *slots, tau=0.1)
      >>> bool(jnp.allclose(loss, 0, atol=1e-5))
      True
    """
    slots = jnp.concatenate([positives[:, 1:], negatives], axis=1)
    return total(
        soft**2 * _slot_kl((v[b], memories[b]), (v[a], memories[a]), slots, tau * soft)
        for a, b in pairs(len(v))
    )


@checked("v")
def soft_icl_memory(
    v: Cohort,
    memories: Memories,
    positives: Positives,
    negatives: Negatives,
    *,
    tau: Scalar,
    soft: Scalar = 3.0,
) -> Float[Array, " sample"]:
    """Soft ICL (Eq. 7): `soft^2 KL(q_{b->a} || q_{a->b})` over ICL's slots, each network in the other's memory.

    Args:
      v: unit-length embeddings of each network, at least two; the teacher b is detached.
      memories: the memory of each network; detached.
      positives: slots of the anchor's class, the anchor's slot first.
      negatives: slots of other classes.
      tau: temperature.
      soft: factor on the temperature.

    Returns:
      The loss of each sample.

    Example:
      >>> v = list(losses.l2_normalize(jax.random.normal(jax.random.key(0), (2, 4, 8))))
      >>> memory = losses.new_memory(jax.random.key(1), examples=10, dim=8)
      >>> positives, negatives = jnp.arange(8).reshape(2, 4).T, jnp.full((4, 3), 9)
      >>> losses.soft_icl_memory(v, [memory, memory], positives, negatives, tau=0.1).shape
      (4,)
    """
    slots = jnp.concatenate([positives, negatives], axis=1)
    return total(
        soft**2 * _slot_kl((v[b], memories[a]), (v[a], memories[b]), slots, tau * soft)
        for a, b in pairs(len(v))
    )


def _against(v, memory, positives, negatives, tau) -> Array:
    """L_out of each anchor among the slots retrieved for it alone."""
    slots = jnp.concatenate([positives, negatives], axis=1)
    is_positive = jnp.arange(slots.shape[1]) < positives.shape[1]
    group = jnp.where(is_positive, 0, -1)

    def one(anchor, contrasts):
        own = Rows(anchor[None], jnp.full(1, -1), jnp.zeros(1, group.dtype))
        return l_out(own, Rows.of_keys(contrasts, group), tau=tau, impl="dense")[0]

    return jax.vmap(one)(v, lax.stop_gradient(memory)[slots])


def _slot_kl(teacher, student, slots, tau) -> Array:
    """KL of the softmaxes over the slots retrieved for each anchor; both are (embeddings, memory)."""

    def one(anchor_t, contrasts_t, anchor_s, contrasts_s):
        scores_t = Scores(lax.stop_gradient(anchor_t)[None], contrasts_t, tau)
        return row_kl(scores_t, Scores(anchor_s[None], contrasts_s, tau), impl="dense")[0]

    (v_t, memory_t), (v_s, memory_s) = teacher, student
    memory_t, memory_s = lax.stop_gradient((memory_t, memory_s))
    return jax.vmap(one)(v_t, memory_t[slots], v_s, memory_s[slots])
