"""What every encoder returns: feature maps by block name, representations by exit name."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

FINAL = "final"
"""Name of the backbone's exit, the last in `Outputs.exits`."""


class Outputs(NamedTuple):
    """An encoder's maps and representations. Sub-networks, probes, early exits and Grad-CAM use the same names."""

    blocks: dict[str, Float[Array, "batch height width channel"]]
    """Feature map after every block of the backbone: `block1`, `block2`, ..."""
    exits: dict[str, Float[Array, "batch dim"]]
    """Pooled representation of every exit: sub-networks in order of depth, then the backbone (`final`)."""


def pool(x: Float[Array, "batch height width channel"]) -> Float[Array, "batch channel"]:
    """Mean over space, in float32 for every compute type."""
    return jnp.mean(x.astype(jnp.float32), axis=(1, 2))
