"""NT-Xent and its generalisation: Chen, Luo & Li, 2021, "Intriguing Properties of Contrastive Losses".

Eq. 2: `alignment + lambda * distribution`. The alignment pulls the two views of a sample together, the
distribution term spreads all embeddings: a log-sum-exp here, the sliced Wasserstein distance to a prior in
`sliced`. Both terms are returned apart, to be logged apart.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from contrastive_jax.similarity import Rows, Scalar, l_out, read, row_stats


class Terms(NamedTuple):
    """Alignment per sample, distribution per sample (its mean over the views)."""

    alignment: Float[Array, " sample"]
    distribution: Float[Array, " sample"]

    def weighted(self, lam: Scalar) -> Float[Array, " sample"]:
        """Eq. 2: `alignment + lambda * distribution`."""
        return self.alignment + lam * self.distribution


def nt_xent(
    z: Float[Array, "sample view dim"], *, tau: Scalar, impl: str = "auto"
) -> Float[Array, "sample view"]:
    """NT-Xent (Eq. 1; SimCLR): `-log( e^{z_i.z_j/tau} / sum_{a != i} e^{z_i.z_a/tau} )`, j the other view.

    `z` is L2-normalised by the caller. With more than two views, the mean over the other views. SimCLR's
    TensorFlow code adds both directions: twice the mean over anchors.
    """
    rows = Rows.of_views(z, jnp.arange(z.shape[0]))
    return l_out(rows, rows, tau=tau, impl=impl).reshape(z.shape[:2])


def cross_view(
    z: Float[Array, "sample 2 dim"], *, tau: Scalar, impl: str = "auto"
) -> Float[Array, "sample 2"]:
    """The RandBits notebook's loss: softmax over the other view's N rows only, none of the own view.

    The notebook adds both directions: twice the mean over anchors.
    """
    instance = jnp.arange(z.shape[0])
    none = jnp.full_like(instance, -1)
    first, second = (Rows(z[:, view], none, instance) for view in range(2))
    there = l_out(first, second, tau=tau, impl=impl)
    back = l_out(second, first, tau=tau, impl=impl)
    return jnp.stack([there, back], axis=1)


def decoupled_nt_xent(z: Float[Array, "sample 2 dim"], *, tau: Scalar, impl: str = "auto") -> Terms:
    """Decoupled NT-Xent as the authors' notebook has it (Table 1, first row); tau and lambda apart.

    Alignment: `|z_1 - z_2|^2 / (2 d)`, a mean over the d dimensions. Distribution:
    `lse_j z_i.z_j/tau - log d` over all rows, the anchor itself included. For use with `weighted(lambda)`.
    """
    dim = z.shape[-1]
    rows = Rows.unlabelled(z.reshape(-1, dim))
    want = ("lse",)
    (lse,) = read(row_stats(rows, rows, tau=tau, want=want, impl=impl), want)
    return Terms(alignment(z), jnp.mean(lse.reshape(-1, 2), axis=1) - jnp.log(dim))


def decoupled_nt_xent_paper(z: Float[Array, "sample 2 dim"], *, tau: Scalar, impl: str = "auto") -> Terms:
    """Decoupled NT-Xent as Eq. 3 has it: `-z_1.z_2` and `lse_{j != i} z_i.z_j/tau`.

    With lambda = tau it is tau times NT-Xent.
    """
    rows = Rows.of_views(z, jnp.arange(z.shape[0]))
    want = ("lse",)
    (lse,) = read(row_stats(rows, rows, tau=tau, want=want, impl=impl), want)
    wide = z.astype(lse.dtype)
    return Terms(-jnp.sum(wide[:, 0] * wide[:, 1], axis=-1), jnp.mean(lse.reshape(-1, 2), axis=1))


def alignment(z: Float[Array, "sample 2 dim"]) -> Float[Array, " sample"]:
    """`|z_1 - z_2|^2 / (2 d)`: (1 - cos)/d for normalised embeddings, hence the notebook's factor 1000."""
    wide = z.astype(jnp.result_type(jnp.float32, z))
    return jnp.mean((wide[:, 0] - wide[:, 1]) ** 2, axis=-1) / 2
