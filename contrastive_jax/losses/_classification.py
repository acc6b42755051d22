"""Losses on a linear classifier: cross-entropy, and the large-margin baseline of SupCon's Table 2."""

import math

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from contrastive_jax.errors import InputError
from contrastive_jax.losses._checks import checked
from contrastive_jax.similarity import Scalar


@checked()
def cross_entropy(
    logits: Float[Array, "sample class"], label: Int[Array, " sample"], *, label_smoothing: float = 0.0
) -> Float[Array, " sample"]:
    """`-sum_c q_c log softmax(logits)_c` with q = (1 - s) onehot(label) + s / classes.

    Args:
      logits: one per class.
      label: class of each sample.
      label_smoothing: s.

    Returns:
      The loss of each sample.

    Example:
      >>> bool(jnp.allclose(losses.cross_entropy(jnp.zeros((2, 10)), jnp.array([3, 7])), jnp.log(10.0)))
      True
    """
    logits = logits.astype(jnp.result_type(jnp.float32, logits))
    log_p = jax.nn.log_softmax(logits)
    own = jnp.take_along_axis(log_p, label[:, None], axis=1)[:, 0]
    return -(1 - label_smoothing) * own - label_smoothing * jnp.mean(log_p, axis=1)


@checked()
def large_margin_softmax(
    x: Float[Array, "sample dim"],
    weight: Float[Array, "class dim"],
    label: Int[Array, " sample"],
    *,
    margin: int = 4,
    blend: Scalar = 0.0,
) -> Float[Array, " sample"]:
    """L-Softmax (Liu et al., 2016): cross-entropy in which the label's logit is |w||x| psi(theta).

    `psi(theta) = (-1)^k cos(margin theta) - 2k` for theta in [k pi/margin, (k+1) pi/margin]. Margin 1 is the plain
    softmax.

    Args:
      x: features, not normalised.
      weight: the classifier's weights, without a bias.
      label: class of each sample.
      margin: whole number from 1 up.
      blend: the paper's lambda. The label's logit is (lambda cos + psi)/(1 + lambda) |w||x|; training anneals lambda
        to 0.

    Returns:
      The loss of each sample.

    Example:
      >>> x, weight, label = jnp.eye(3), 2 * jnp.eye(3), jnp.arange(3)
      >>> plain = losses.cross_entropy(x @ weight.T, label)
      >>> bool(jnp.allclose(losses.large_margin_softmax(x, weight, label, margin=1), plain))
      True
    """
    dtype = jnp.result_type(jnp.float32, x, weight)
    x, weight = x.astype(dtype), weight.astype(dtype)
    logits = jnp.matmul(x, weight.T, precision=lax.Precision.HIGHEST)
    norm = _norm(x)[:, None] * _norm(weight)[None, :]
    return large_margin_of_logits(logits, norm, label, margin=margin, blend=blend)


@checked()
def large_margin_of_logits(
    logits: Float[Array, "sample class"],
    norm: Float[Array, "sample class"],
    label: Int[Array, " sample"],
    *,
    margin: int = 4,
    blend: Scalar = 0.0,
) -> Float[Array, " sample"]:
    """`large_margin_softmax` from its ingredients.

    Args:
      logits: x.w of every class, without a bias.
      norm: |x||w| of every class.
      label: class of each sample.
      margin: whole number from 1 up.
      blend: the paper's lambda.

    Returns:
      The loss of each sample.

    Example:
      >>> logits, norm, label = jnp.eye(3), jnp.ones((3, 3)), jnp.arange(3)
      >>> wide = losses.large_margin_of_logits(logits, norm, label, margin=4)
      >>> bool(jnp.allclose(wide, losses.cross_entropy(logits, label)))  # angle 0: nothing to widen
      True
    """
    if margin < 1:
        raise InputError(f"margin is {margin}; a large-margin softmax takes whole numbers from 1 up.")
    own = jnp.take_along_axis(logits, label[:, None], axis=1)
    own_norm = jnp.take_along_axis(norm, label[:, None], axis=1)
    cos = jnp.clip(own / own_norm, -1, 1)
    widened = own_norm * (blend * cos + _psi(cos, margin)) / (1 + blend)
    is_own = jnp.arange(logits.shape[1])[None, :] == label[:, None]
    return cross_entropy(jnp.where(is_own, widened, logits), label)


def _psi(cos: Float[Array, "sample 1"], margin: int) -> Float[Array, "sample 1"]:
    # cos(m theta) as Chebyshev's polynomial: no arccos, whose gradient is infinite at cos = 1.
    before, now = jnp.ones_like(cos), cos
    for _ in range(margin - 1):
        before, now = now, 2 * cos * now - before
    edges = jnp.asarray([math.cos(j * math.pi / margin) for j in range(1, margin)], cos.dtype)
    k = jnp.sum(cos < edges[None, :], axis=1, keepdims=True)
    return jnp.where(k % 2 == 0, 1, -1) * now - 2 * k


def _norm(v: Float[Array, "n dim"]) -> Float[Array, " n"]:
    # Finite gradient at the zero vector.
    return jnp.sqrt(jnp.maximum(jnp.sum(v * v, axis=1), 1e-12))
