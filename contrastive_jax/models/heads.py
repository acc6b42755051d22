"""Heads that turn a representation into what a loss contrasts or classifies."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from contrastive_jax.models.layers import Linear
from contrastive_jax.models.outputs import Outputs


class ProjectionHead(nn.Module):
    """MLP `[batch, features] -> [batch, dim]`: hidden layers as wide as the input, ReLU, a last linear.

    SupCon and SelfCon use depth 2 (their CIFAR code) and 128 dimensions; depth 1 is a linear head.
    """

    dim: int = 128
    depth: int = 2
    hidden: int = 0
    """Width of the hidden layers; 0: as wide as the representation."""
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "batch features"]) -> Float[Array, "batch dim"]:
        hidden = self.hidden or x.shape[-1]
        for i in range(self.depth - 1):
            x = nn.relu(Linear(hidden, self.dtype, name=f"hidden{i + 1}")(x))
        return Linear(self.dim, self.dtype, name="output")(x)


class MultiExit(nn.Module):
    """An encoder with one head of its own on every exit.

    Returns the exits' representations and the heads' outputs, both as `{exit: [batch, dim]}`, in float32.
    Normalising is the method's business.
    """

    encoder: nn.Module
    head: nn.Module
    """A head to copy: every exit gets one like it."""

    @nn.compact
    def __call__(self, images: Float[Array, "batch height width channel"], train: bool):
        outputs: Outputs = self.encoder(images, train)
        projected = {
            name: self.head.clone(name=f"head_{name}", parent=self)(features).astype(jnp.float32)
            for name, features in outputs.exits.items()
        }
        return outputs.exits, projected
