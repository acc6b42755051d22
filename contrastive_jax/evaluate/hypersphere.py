"""Alignment and uniformity of L2-normalised features (Wang and Isola 2020), and SDSSL's D (Sec. 4.4).

alignment   = mean over positive pairs of |x - y|^alpha
uniformity  = log of the mean over distinct pairs of exp(-t |x_i - x_j|^2)
D           = mean over distinct pairs of |x_i - x_j|^2 - alignment (alpha = 2)
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def alignment(x: Float[Array, "n dim"], y: Float[Array, "n dim"], *, alpha: float = 2.0) -> Float[Array, ""]:
    """Mean distance of the positive pairs (x_i, y_i) to the power alpha; smaller is closer."""
    return jnp.mean(jnp.sum((x - y) ** 2, axis=-1) ** (alpha / 2))


def uniformity(x: Float[Array, "n dim"], *, t: float = 2.0) -> Float[Array, ""]:
    """More negative is more uniform; row by row, so that no n x n array is kept."""
    n = x.shape[0]

    def of_row(row):
        i, xi = row
        exponent = -t * jnp.sum((x - xi[None, :]) ** 2, axis=-1)
        return jax.nn.logsumexp(jnp.where(jnp.arange(n) == i, -jnp.inf, exponent))

    per_row = jax.lax.map(of_row, (jnp.arange(n), x), batch_size=64)
    return jax.nn.logsumexp(per_row) - jnp.log(n * (n - 1.0))


def pair_distance(x: Float[Array, "n dim"]) -> Float[Array, ""]:
    """Mean squared distance of the distinct pairs, 2n / (n - 1) (mean |x|^2 - |mean x|^2)."""
    n = x.shape[0]
    spread = jnp.mean(jnp.sum(x**2, axis=-1)) - jnp.sum(jnp.mean(x, axis=0) ** 2)
    return 2 * n / (n - 1) * spread


def difference(x: Float[Array, "n dim"], y: Float[Array, "n dim"]) -> Float[Array, ""]:
    """D: how much farther apart the distinct pairs of x are than the positive pairs."""
    return pair_distance(x) - alignment(x, y)
