"""Sliced Wasserstein distance to a prior: Alg. 1 of "Intriguing Properties of Contrastive Losses" (2021).

Each step draws an orthogonal matrix and a fresh sample of the prior, both as functions of a key.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from contrastive_jax.losses._checks import checked
from contrastive_jax.losses._generalized import GeneralizedTerms, alignment
from contrastive_jax.losses._reduce import l2_normalize


@checked()
def generalized_swd(
    z: Float[Array, "sample 2 dim"], prior: Float[Array, "2*sample dim"], w: Float[Array, "dim direction"]
) -> GeneralizedTerms:
    """Eq. 2 with the sliced Wasserstein distance as distribution term (Table 1, rows 2 to 4).

    The distance belongs to the batch as a whole: every sample carries it.

    Args:
      z: embeddings of two views; unit length for the hypersphere prior, raw for the others.
      prior: one draw of the prior per row.
      w: directions to project on, one per column.

    Returns:
      Both terms per sample; `.weighted(lam)` adds them.

    Example:
      >>> z = jax.random.normal(jax.random.key(0), (4, 2, 8))
      >>> prior = losses.normal_prior(jax.random.key(1), n=8, dim=8)
      >>> terms = losses.generalized_swd(z, prior, losses.directions(jax.random.key(2), dim=8))
      >>> terms.weighted(5.0).shape
      (4,)
    """
    aligned = alignment(z)
    distance = jnp.mean(sliced_wasserstein(z.reshape(-1, z.shape[-1]), prior, w))
    return GeneralizedTerms(aligned, jnp.broadcast_to(distance, aligned.shape))


@checked()
def sliced_wasserstein(
    h: Float[Array, "n dim"], prior: Float[Array, "n dim"], w: Float[Array, "dim direction"]
) -> Float[Array, " direction"]:
    """Per direction, the mean squared difference of the sorted projections of `h` and of `prior`.

    A real sort, exact under ties, over contiguous rows: O(n d) memory. The gradient reaches `h` through the
    permutation that sorted it. The paper's text sums over directions; the notebook takes their mean.

    Args:
      h: embeddings.
      prior: draws of the prior, detached.
      w: directions to project on, one per column.

    Returns:
      The squared distance along each direction.

    Example:
      >>> h, w = jnp.array([[3.0], [1.0]]), jnp.ones((1, 1))
      >>> losses.sliced_wasserstein(h, h[::-1], w).tolist()
      [0.0]
    """
    dtype = jnp.result_type(jnp.float32, h)
    ours, theirs = (_project(x.astype(dtype), w.astype(dtype)) for x in (h, prior))
    return jnp.mean((jnp.sort(ours, axis=1) - lax.stop_gradient(jnp.sort(theirs, axis=1))) ** 2, axis=1)


def directions(key: Array, dim: int) -> Float[Array, "dim dim"]:
    """A uniformly random (Haar) orthogonal matrix: QR of a normal matrix with the signs of R's diagonal.

    Args:
      key: random key.
      dim: dimension of the embeddings.

    Returns:
      Orthonormal directions, one per column.

    Example:
      >>> w = losses.directions(jax.random.key(0), dim=3)
      >>> bool(jnp.allclose(w.T @ w, jnp.eye(3), atol=1e-5))
      True
    """
    q, r = jnp.linalg.qr(jax.random.normal(key, (dim, dim)))
    return q * jnp.where(jnp.diagonal(r) < 0, -1, 1)[None, :]


def normal_prior(key: Array, n: int, dim: int) -> Float[Array, "n dim"]:
    """N(0, 1) in every dimension.

    Args:
      key: random key.
      n: number of draws.
      dim: dimension of the embeddings.

    Returns:
      One draw per row.

    Example:
      >>> losses.normal_prior(jax.random.key(0), n=8, dim=3).shape
      (8, 3)
    """
    return jax.random.normal(key, (n, dim))


def hypercube_prior(key: Array, n: int, dim: int) -> Float[Array, "n dim"]:
    """Uniform in (-1, 1) in every dimension.

    Args:
      key: random key.
      n: number of draws.
      dim: dimension of the embeddings.

    Returns:
      One draw per row.

    Example:
      >>> bool(jnp.all(jnp.abs(losses.hypercube_prior(jax.random.key(0), n=8, dim=3)) <= 1))
      True
    """
    return jax.random.uniform(key, (n, dim), minval=-1.0, maxval=1.0)


def hypersphere_prior(key: Array, n: int, dim: int) -> Float[Array, "n dim"]:
    """Uniform on the unit sphere.

    Args:
      key: random key.
      n: number of draws.
      dim: dimension of the embeddings.

    Returns:
      One draw per row.

    Example:
      >>> prior = losses.hypersphere_prior(jax.random.key(0), n=8, dim=3)
      >>> bool(jnp.allclose(jnp.linalg.norm(prior, axis=1), 1))
      True
    """
    return l2_normalize(jax.random.normal(key, (n, dim)))


def _project(x, w):
    """[direction, n]: each direction's projections are contiguous for the sort."""
    return jnp.matmul(w.T, x.T, precision=lax.Precision.HIGHEST)
