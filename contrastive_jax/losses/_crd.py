"""Contrastive distillation against a memory with one slot per example: CRD and ML-CPC.

CRD: Tian et al., 2020; ML-CPC: Song & Ermon, 2020. Student and teacher are each an anchor among the *other* side's
memory: the loss of both is the sum of the two sides. `s` are one side's scores from `memory_scores`, the positive
first.
"""

import math

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from contrastive_jax.losses._checks import checked
from contrastive_jax.similarity import Scalar

MemoryScores = Float[Array, "sample slot"]


@checked("v")
def memory_scores(
    v: Float[Array, "sample dim"],
    memory: Float[Array, "example dim"],
    slots: Int[Array, "sample slot"],
    *,
    tau: Scalar,
) -> MemoryScores:
    """`v.memory[slots] / tau`: the score of each sample in its slots.

    Gathering the slots would take samples x slots x dim numbers (4 GB in SelfCon's recipe). Products with the whole
    memory, of which the slots' are kept, take samples x examples.

    Args:
      v: unit-length embeddings.
      memory: one slot per training example; detached.
      slots: per sample, its positive (its slot), then its negatives.
      tau: temperature.

    Returns:
      Scores in the order of `slots`.

    Example:
      >>> losses.memory_scores(jnp.eye(2), jnp.eye(2), jnp.array([[0, 1], [1, 0]]), tau=0.5).tolist()
      [[2.0, 0.0], [2.0, 0.0]]
    """
    dtype = jnp.result_type(jnp.float32, v, memory)
    stored = lax.stop_gradient(memory).astype(dtype)
    products = jnp.matmul(v.astype(dtype), stored.T, precision=lax.Precision.HIGHEST) / tau
    return jnp.take_along_axis(products, slots, axis=1)


@checked()
def crd_constant(s: MemoryScores, *, examples: int) -> Float[Array, ""]:
    """`log Z = log( mean e^s * examples )`, computed on the first batch, then kept.

    Args:
      s: scores, the positive first.
      examples: size of the memory.

    Returns:
      log Z, without gradient.

    Example:
      >>> bool(jnp.allclose(losses.crd_constant(jnp.zeros((4, 3)), examples=10), jnp.log(10.0)))
      True
    """
    return lax.stop_gradient(jax.nn.logsumexp(s) - jnp.log(s.size) + jnp.log(examples))


@checked()
def crd(
    s: MemoryScores, log_z: Float[Array, ""], *, examples: int, eps: float = 1e-7
) -> Float[Array, " sample"]:
    """CRD's noise-contrastive loss: x = e^s/Z is data with odds x to K/n, K negatives among n examples.

    `-log( x_0/(x_0 + K/n + eps) ) - sum_k log( (K/n)/(x_k + K/n + eps) )`

    Args:
      s: scores, the positive first.
      log_z: from `crd_constant`.
      examples: n, size of the memory.
      eps: the authors' term that keeps divisors from 0.

    Returns:
      The loss of each sample.

    Example:
      >>> s = jnp.array([[2.0, 0.0], [2.0, 0.0]])
      >>> losses.crd(s, losses.crd_constant(s, examples=2), examples=2).shape
      (2,)
    """
    noise = (s.shape[1] - 1) / examples
    log_x = s - log_z
    log_both = jnp.logaddexp(log_x, math.log(noise + eps))
    positive = log_x[:, 0] - log_both[:, 0]
    return -positive - jnp.sum(math.log(noise) - log_both[:, 1:], axis=1)


@checked()
def ml_cpc(s: MemoryScores, *, alpha: Scalar = 1.0) -> Float[Array, " sample"]:
    """Multi-label CPC: `-s_0 + log( alpha mean e^{s_0} + K beta mean e^{s_k} )`, beta = (K + 1 - alpha)/K.

    Both means are over the whole batch; K is the number of negatives per sample.

    Args:
      s: scores, the positive first.
      alpha: weight of the positive; SelfCon has 0.01.

    Returns:
      The loss of each sample.

    Example:
      >>> bool(jnp.allclose(losses.ml_cpc(jnp.zeros((4, 3))), jnp.log(3.0)))
      True
    """
    samples, slots = s.shape
    both = jax.nn.logsumexp(s + log_weights(s, alpha)) - jnp.log(samples) + jnp.log(slots)
    return both - s[:, 0]


def log_weights(s: MemoryScores, alpha: Scalar) -> Float[Array, "1 slot"]:
    """log of alpha (positive) and beta (negatives), over the number of slots."""
    slots = s.shape[1]
    negative = (slots - alpha) / (slots - 1)
    weights = jnp.where(jnp.arange(slots) == 0, alpha, negative) / slots
    return jnp.log(weights).astype(s.dtype)[None, :]
