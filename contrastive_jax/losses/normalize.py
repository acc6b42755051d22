"""L2 normalisation, in float32 or wider."""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


def l2_normalize(z: Float[Array, "*batch dim"], eps: float = 1e-12) -> Float[Array, "*batch dim"]:
    """`z / |z|` over the last axis; a zero vector stays zero, with a finite gradient."""
    z = z.astype(jnp.result_type(jnp.float32, z))
    return z * lax.rsqrt(jnp.maximum(jnp.sum(z * z, axis=-1, keepdims=True), eps))
