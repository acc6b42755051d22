"""Mutual Contrastive Learning on MoCo: Yang et al., 2022 (AAAI). Each network has its keys and its queue.

Queries and keys are unit length; keys and queues carry no gradient. Queues are those before this batch is pushed.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from contrastive_jax.losses._checks import checked
from contrastive_jax.losses._mutual import Cohort, pairs, total
from contrastive_jax.losses._teacher import moco, queue_logits
from contrastive_jax.similarity import Scalar, Scores, row_kl

Queues = Sequence[Float[Array, "slot dim"]]


@checked("q", "k")
def vcl_moco(
    q: Cohort, k: Cohort, queues: Queues, *, tau: Scalar, impl: str = "auto"
) -> Float[Array, " sample"]:
    """VCL (Eq. 2): `moco` in each network's space, summed over networks.

    Args:
      q: queries of each network.
      k: keys of each network; detached.
      queues: queue of each network; detached.
      tau: temperature.
      impl: as in `supcon`.

    Returns:
      The loss of each sample.

    Example:
      >>> q, k = losses.l2_normalize(jax.random.normal(jax.random.key(0), (2, 2, 4, 8)))
      >>> queue = losses.new_queue(jax.random.key(1), slots=16, dim=8).z
      >>> losses.vcl_moco(list(q), list(k), [queue, queue], tau=0.2).shape
      (4,)
    """
    return total(moco(*own, tau=tau, impl=impl) for own in zip(q, k, queues))


@checked("q", "k")
def icl_moco(
    q: Cohort, k: Cohort, queues: Queues, *, tau: Scalar, impl: str = "auto"
) -> Float[Array, " sample"]:
    """ICL (Eq. 4): `moco` with queries of network a against the keys and queue of network b, for all ordered pairs.

    Args:
      q: queries of each network, at least two.
      k: keys of each network; detached.
      queues: queue of each network; detached.
      tau: temperature.
      impl: as in `supcon`.

    Returns:
      The loss of each sample.

    Example:
      >>> q, k = losses.l2_normalize(jax.random.normal(jax.random.key(0), (2, 2, 4, 8)))
      >>> queue = losses.new_queue(jax.random.key(1), slots=16, dim=8).z
      >>> losses.icl_moco(list(q), list(k), [queue, queue], tau=0.2).shape
      (4,)
    """
    return total(moco(q[a], k[b], queues[b], tau=tau, impl=impl) for a, b in pairs(len(q)))


@checked("q", "k")
def soft_vcl_moco(
    q: Cohort, k: Cohort, queues: Queues, *, tau: Scalar, soft: Scalar = 3.0, impl: str = "auto"
) -> Float[Array, " sample"]:
    """Soft VCL (Eq. 6): `soft^2 KL(p_b || p_a)` over each network's key and queue.

    Args:
      q: queries of each network, at least two; the teacher b is detached.
      k: keys of each network; detached.
      queues: queue of each network; detached.
      tau: temperature.
      soft: factor on the temperature.
      impl: as in `supcon`.

    Returns:
      The loss of each sample.

    Example:
      >>> q, k = losses.l2_normalize(jax.random.normal(jax.random.key(0), (2, 4, 8)))
      >>> queue = losses.new_queue(jax.random.key(1), slots=16, dim=8).z
      >>> loss = losses.soft_vcl_moco([q, q], [k, k], [queue, queue], tau=0.2)
      >>> bool(jnp.allclose(loss, 0, atol=1e-5))
      True
    """
    own = [_choose(*parts, tau * soft, impl) for parts in zip(q, k, queues)]
    return total(soft**2 * _queue_kl(own[b], own[a], impl) for a, b in pairs(len(q)))


@checked("q", "k")
def soft_icl_moco(
    q: Cohort, k: Cohort, queues: Queues, *, tau: Scalar, soft: Scalar = 3.0, impl: str = "auto"
) -> Float[Array, " sample"]:
    """Soft ICL (Eq. 7): `soft^2 KL(q_{b->a} || q_{a->b})` over the peer's key and queue.

    Args:
      q: queries of each network, at least two; the teacher b is detached.
      k: keys of each network; detached.
      queues: queue of each network; detached.
      tau: temperature.
      soft: factor on the temperature.
      impl: as in `supcon`.

    Returns:
      The loss of each sample.

    Example:
      >>> q, k = losses.l2_normalize(jax.random.normal(jax.random.key(0), (2, 2, 4, 8)))
      >>> queue = losses.new_queue(jax.random.key(1), slots=16, dim=8).z
      >>> losses.soft_icl_moco(list(q), list(k), [queue, queue], tau=0.2).shape
      (4,)
    """
    cross = {(a, b): _choose(q[a], k[b], queues[b], tau * soft, impl) for a, b in pairs(len(q))}
    return total(soft**2 * _queue_kl(cross[b, a], cross[a, b], impl) for a, b in pairs(len(q)))


class _Choice(NamedTuple):
    """A softmax over the key and the queue."""

    in_queue: Scores
    key: Array
    """log probability of the key"""
    queue: Array
    """log probability of the whole queue"""


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
