"""NT-Xent and its generalisation: Chen, Luo & Li, 2021, "Intriguing Properties of Contrastive Losses".

Eq. 2 is `alignment + lambda * distribution`. The alignment pulls the two views of a sample together, the distribution
term spreads all embeddings: by a log-sum-exp here, by the sliced Wasserstein distance to a prior in
`generalized_swd`. The terms are returned by name, so that they can be logged apart.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from contrastive_jax.errors import InputError
from contrastive_jax.losses._checks import checked
from contrastive_jax.similarity import Rows, Scalar, l_out, read, row_stats


class GeneralizedTerms(NamedTuple):
    """The two terms of Eq. 2, per sample."""

    alignment: Float[Array, " sample"]
    distribution: Float[Array, " sample"]
    """Its mean over the sample's views."""

    def weighted(self, lam: Scalar) -> Float[Array, " sample"]:
        """Eq. 2: `alignment + lambda * distribution`."""
        return self.alignment + lam * self.distribution


@checked("z")
def nt_xent(
    z: Float[Array, "sample view dim"], *, tau: Scalar, impl: str = "auto"
) -> Float[Array, "sample view"]:
    """NT-Xent (Eq. 1; SimCLR): `-log( e^{z_i.z_j/tau} / sum_{a != i} e^{z_i.z_a/tau} )`, j the other view.

    With more than two views it is the mean over the other views. SimCLR's TensorFlow code adds both directions: twice
    the mean over anchors.

    Args:
      z: unit-length embeddings.
      tau: temperature.
      impl: as in `supcon`.

    Returns:
      The loss of each anchor.

    Example:
      >>> z = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 2, 8)))
      >>> bool(jnp.allclose(losses.nt_xent(z, tau=0.1), losses.supcon(z, jnp.arange(4), tau=0.1)))
      True
    """
    if z.shape[1] < 2:
        raise InputError(
            f"z has shape {z.shape}; nt_xent expects [sample, view, dim] with at least two views: stack them with"
            " jnp.stack([first, second], axis=1)."
        )
    rows = Rows.of_views(z, jnp.arange(z.shape[0]))
    return l_out(rows, rows, tau=tau, impl=impl).reshape(z.shape[:2])


@checked("z")
def decoupled_nt_xent(
    z: Float[Array, "sample 2 dim"], *, tau: Scalar, impl: str = "auto"
) -> GeneralizedTerms:
    """Decoupled NT-Xent as the authors' notebook computes it (Table 1, first row), with tau and lambda apart.

    Alignment: `|z_1 - z_2|^2 / (2 d)`, a mean over the d dimensions.
    Distribution: `log sum_j e^{z_i.z_j/tau} - log d` over all rows, the anchor itself included.

    Args:
      z: unit-length embeddings of two views.
      tau: temperature.
      impl: as in `supcon`.

    Returns:
      Both terms per sample; `.weighted(lam)` adds them.

    Example:
      >>> z = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 2, 8)))
      >>> losses.decoupled_nt_xent(z, tau=0.1).weighted(0.5).shape
      (4,)
    """
    dim = z.shape[-1]
    rows = Rows.unlabelled(z.reshape(-1, dim))
    want = ("lse",)
    (lse,) = read(row_stats(rows, rows, tau=tau, want=want, impl=impl), want)
    return GeneralizedTerms(alignment(z), jnp.mean(lse.reshape(-1, 2), axis=1) - jnp.log(dim))


@checked("z")
def decoupled_nt_xent_paper(
    z: Float[Array, "sample 2 dim"], *, tau: Scalar, impl: str = "auto"
) -> GeneralizedTerms:
    """Decoupled NT-Xent as in Eq. 4: `-z_1.z_2` and `log sum_{j != i} e^{z_i.z_j/tau}`.

    With lambda = tau it is tau times NT-Xent.

    Args:
      z: unit-length embeddings of two views.
      tau: temperature.
      impl: as in `supcon`.

    Returns:
      Both terms per sample; `.weighted(lam)` adds them.

    Example:
      >>> z, tau = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 2, 8))), 0.1
      >>> loss = losses.decoupled_nt_xent_paper(z, tau=tau).weighted(tau)
      >>> bool(jnp.allclose(loss, tau * losses.nt_xent(z, tau=tau).mean(axis=1), rtol=1e-4))
      True
    """
    rows = Rows.of_views(z, jnp.arange(z.shape[0]))
    want = ("lse",)
    (lse,) = read(row_stats(rows, rows, tau=tau, want=want, impl=impl), want)
    wide = z.astype(lse.dtype)
    return GeneralizedTerms(-jnp.sum(wide[:, 0] * wide[:, 1], axis=-1), jnp.mean(lse.reshape(-1, 2), axis=1))


@checked()
def alignment(z: Float[Array, "sample 2 dim"]) -> Float[Array, " sample"]:
    """`|z_1 - z_2|^2 / (2 d)`: (1 - cos)/d for unit-length embeddings, hence the notebook's factor 1000.

    Args:
      z: embeddings of two views, unit length or not.

    Returns:
      The alignment of each sample.

    Example:
      >>> losses.alignment(jnp.array([[[1.0, 0.0], [0.0, 1.0]]])).tolist()
      [0.5]
    """
    wide = z.astype(jnp.result_type(jnp.float32, z))
    return jnp.mean((wide[:, 0] - wide[:, 1]) ** 2, axis=-1) / 2
