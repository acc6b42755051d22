"""BYOL's regression (Grill et al., 2020; SDSSL Eq. 3)."""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from contrastive_jax.losses.normalize import l2_normalize


def byol(q: Float[Array, "*batch dim"], z: Float[Array, "*batch dim"]) -> Float[Array, "*batch"]:
    """`|q/|q| - z/|z||^2 = 2 - 2 cos(q, z)`, the target z detached; one direction of the two."""
    return 2 - 2 * jnp.sum(l2_normalize(q) * lax.stop_gradient(l2_normalize(z)), axis=-1)


def byol_symmetric(
    q: Float[Array, "sample 2 dim"], z: Float[Array, "sample 2 dim"]
) -> Float[Array, " sample"]:
    """Both directions added: predictions of one view against the targets of the other."""
    return jnp.sum(byol(q, z[:, ::-1]), axis=1)
