"""Barlow Twins (Zbontar et al. 2021), a method from outside the package: nothing in `contrastive_jax` names it.

The networks, the optimizer, the augmentation, checkpoints, micro-batches and several devices come from the package.
What is written here is what makes Barlow Twins a method of its own: two fields, what it embeds, and its loss.
"""

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from contrastive_jax.methods import OneEncoder
from contrastive_jax.models.outputs import FINAL


@dataclasses.dataclass(frozen=True, kw_only=True)
class BarlowTwins(OneEncoder):
    """The cross-correlation between the projections of two views should be the identity."""

    lam: float = 0.0051
    """Weight of the redundancy term, lambda in the paper."""
    loss_scale: float = 1.0
    """Factor on the loss; it scales the learning rate. The authors' code has 0.024."""
    views: ClassVar[int] = 2

    def embed(self, params, collections, state, batch, key):
        """Raw projections of the backbone: the loss standardises dimensions, so samples keep their length."""
        (_, z), network = self.forward(params, collections.network, batch["view"], key)
        return z[FINAL], collections._replace(network=network)

    def loss(self, embeddings, state, batch, step, key):
        invariance, redundancy = barlow_twins(embeddings[:, 0], embeddings[:, 1])
        value = invariance + self.lam * redundancy
        metrics = {"loss_invariance": invariance, "loss_redundancy": redundancy}
        return self.loss_scale * value, state, metrics


def barlow_twins(
    a: Float[Array, "sample dim"], b: Float[Array, "sample dim"]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Invariance `sum_d (1 - C_dd)^2` and redundancy `sum_{d != e} C_de^2` of the cross-correlation C.

    C belongs to the batch, so there is no value per anchor: the loss is two numbers.
    """
    correlation = standardized(a).T @ standardized(b) / len(a)
    diagonal = jnp.diagonal(correlation)
    redundancy = jnp.sum(correlation**2) - jnp.sum(diagonal**2)
    return jnp.sum((1 - diagonal) ** 2), redundancy


def standardized(z: Float[Array, "sample dim"]) -> Float[Array, "sample dim"]:
    """Mean 0 and variance 1 over the batch in every dimension; a constant dimension becomes 0."""
    z = z.astype(jnp.result_type(jnp.float32, z))
    z = z - jnp.mean(z, axis=0, keepdims=True)
    return z / jnp.sqrt(jnp.mean(z**2, axis=0, keepdims=True) + 1e-5)
