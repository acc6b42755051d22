"""Sliced Wasserstein distance to a prior: Alg. 1 of "Intriguing Properties of Contrastive Losses" (2021).

Every step draws an orthogonal matrix and a fresh sample of the prior, both as functions of a key.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from contrastive_jax.losses.generalized import Terms, alignment
from contrastive_jax.losses.normalize import l2_normalize


def sliced_wasserstein(
    h: Float[Array, "n dim"], prior: Float[Array, "n dim"], w: Float[Array, "dim direction"]
) -> Float[Array, " direction"]:
    """Per direction, the mean squared difference of the sorted projections of `h` and of `prior`.

    A real sort, exact under ties, over contiguous rows: O(n d) memory. The gradient reaches `h` through the
    permutation that sorted it. The paper's text sums over directions; the notebook takes their mean.
    """
    dtype = jnp.result_type(jnp.float32, h)
    ours, theirs = (_project(x.astype(dtype), w.astype(dtype)) for x in (h, prior))
    return jnp.mean((jnp.sort(ours, axis=1) - lax.stop_gradient(jnp.sort(theirs, axis=1))) ** 2, axis=1)


def generalized_swd(
    z: Float[Array, "sample 2 dim"], prior: Float[Array, "2*sample dim"], w: Float[Array, "dim direction"]
) -> Terms:
    """Eq. 2 with the SWD as distribution term (Table 1, rows 2 to 4).

    `z` is L2-normalised by the caller for the hypersphere prior, raw for the others. The distribution term
    belongs to the batch as a whole: every sample carries it.
    """
    aligned = alignment(z)
    distance = jnp.mean(sliced_wasserstein(z.reshape(-1, z.shape[-1]), prior, w))
    return Terms(aligned, jnp.broadcast_to(distance, aligned.shape))


def directions(key: Array, dim: int) -> Float[Array, "dim dim"]:
    """A uniformly random (Haar) orthogonal matrix: QR of a normal matrix with the signs of R's diagonal."""
    q, r = jnp.linalg.qr(jax.random.normal(key, (dim, dim)))
    return q * jnp.where(jnp.diagonal(r) < 0, -1, 1)[None, :]


def normal_prior(key: Array, n: int, dim: int) -> Float[Array, "n dim"]:
    """N(0, 1) in every dimension."""
    return jax.random.normal(key, (n, dim))


def hypercube_prior(key: Array, n: int, dim: int) -> Float[Array, "n dim"]:
    """Uniform in (-1, 1) in every dimension."""
    return jax.random.uniform(key, (n, dim), minval=-1.0, maxval=1.0)


def hypersphere_prior(key: Array, n: int, dim: int) -> Float[Array, "n dim"]:
    """Uniform on the unit sphere."""
    return l2_normalize(jax.random.normal(key, (n, dim)))


def _project(x, w):
    """[direction, n]: each direction's projections lie side by side for the sort."""
    return jnp.matmul(w.T, x.T, precision=lax.Precision.HIGHEST)
