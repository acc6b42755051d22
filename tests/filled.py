"""Random variables of a network, without compiling its initialisation."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np


def filled(net: nn.Module, images: Any) -> dict[str, Any]:
    """Uniform random variables of the network's shapes: from 0.5 to 1.5 for scales and variances, else +-0.5."""
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(lambda: net.init(jax.random.key(0), images, True))

    def fill(path, leaf):
        low = 0.5 if path[-1].key in ("var", "scale") else -0.5
        return jnp.asarray(rng.uniform(low, low + 1, leaf.shape), jnp.float32)

    return jax.tree_util.tree_map_with_path(fill, shapes)
