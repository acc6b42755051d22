"""The language that every encoder speaks: named blocks, named exits."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

FINAL = "final"
"""Name of the backbone's own exit; it comes last in `Outputs.exits`."""


class Outputs(NamedTuple):
    """What an encoder returns. Sub-networks, probes, early exits and Grad-CAM read the same names."""

    blocks: dict[str, Float[Array, "batch height width channel"]]
    """Feature map after every block of the backbone: `block1`, `block2`, ..."""
    exits: dict[str, Float[Array, "batch dim"]]
    """Pooled representation of every exit, sub-networks in depth order and the backbone (`final`) last."""


def pool(x: Float[Array, "batch height width channel"]) -> Float[Array, "batch channel"]:
    """Mean over space, in float32 whatever the compute type."""
    return jnp.mean(x.astype(jnp.float32), axis=(1, 2))
