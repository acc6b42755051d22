"""Contrastive distillation against a memory with one slot per example: CRD, CPC and ML-CPC.

CRD: Tian et al., 2020; ML-CPC: Song & Ermon, 2020. Each of student and teacher is an anchor among the *other*
side's memory: the loss of both is the sum of the two sides. `s` are one side's scores, the own slot's
first: `memory_scores`. Embeddings are L2-normalised by the caller; memories carry no gradient.
"""

import math

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from contrastive_jax.similarity import Scalar

MemoryScores = Float[Array, "sample slot"]


def memory_scores(
    v: Float[Array, "sample dim"],
    memory: Float[Array, "example dim"],
    slots: Int[Array, "sample slot"],
    *,
    tau: Scalar,
) -> MemoryScores:
    """`memory[slots].v / tau`: column 0 is the positive (the own slot), the others the negatives."""
    dtype = jnp.result_type(jnp.float32, v, memory)
    retrieved = lax.stop_gradient(memory).astype(dtype)[slots]
    precision = lax.Precision.HIGHEST
    return jnp.einsum("nd,nkd->nk", v.astype(dtype), retrieved, precision=precision) / tau


def crd_constant(s: MemoryScores, *, examples: int) -> Float[Array, ""]:
    """log Z: `log( mean e^s * examples )`, taken at the first batch, then kept."""
    return lax.stop_gradient(jax.nn.logsumexp(s) - jnp.log(s.size) + jnp.log(examples))


def crd(
    s: MemoryScores, log_z: Float[Array, ""], *, examples: int, eps: float = 1e-7
) -> Float[Array, " sample"]:
    """CRD's noise-contrastive loss: x = e^s/Z is data with odds x to K/examples, K the number of negatives.

    `-log( x_0/(x_0 + K/n + eps) ) - sum_k log( (K/n)/(x_k + K/n + eps) )`.
    """
    noise = (s.shape[1] - 1) / examples
    log_x = s - log_z
    log_both = jnp.logaddexp(log_x, math.log(noise + eps))
    positive = log_x[:, 0] - log_both[:, 0]
    return -positive - jnp.sum(math.log(noise) - log_both[:, 1:], axis=1)


def cpc(s: MemoryScores, *, alpha: Scalar = 1.0) -> Float[Array, " sample"]:
    """`-s_0 + log( (alpha e^{s_0} + beta sum_k e^{s_k}) / (K + 1) )`, beta = (K + 1 - alpha)/K."""
    return jax.nn.logsumexp(s + _log_weights(s, alpha), axis=1) - s[:, 0]


def ml_cpc(s: MemoryScores, *, alpha: Scalar = 1.0) -> Float[Array, " sample"]:
    """Multi-label CPC: as `cpc` with one denominator for the whole batch. SelfCon uses alpha = 0.01.

    `-s_0 + log( alpha mean e^{s_0} + K beta mean e^{s_k} )`, both means over the batch.
    """
    samples, slots = s.shape
    both = jax.nn.logsumexp(s + _log_weights(s, alpha)) - jnp.log(samples) + jnp.log(slots)
    return both - s[:, 0]


def _log_weights(s, alpha: Scalar):
    """log of alpha (positive) and beta (negatives), over the number of slots."""
    slots = s.shape[1]
    negative = (slots - alpha) / (slots - 1)
    weights = jnp.where(jnp.arange(slots) == 0, alpha, negative) / slots
    return jnp.log(weights).astype(s.dtype)[None, :]
