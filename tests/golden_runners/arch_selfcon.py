"""SelfCon's networks: an encoder with sub-networks and a head on every exit."""

import jax
import jax.numpy as jnp

from contrastive_jax.errors import InputError
from contrastive_jax.models import network, published
from contrastive_jax.models.heads import MultiExit, ProjectionHead
from contrastive_jax.torch_weights.names import torch_shapes


def build(hyper):
    if "positions" not in hyper or set(hyper) - {"net", "stem", "positions", "subnetwork"}:
        return None
    fields = {
        "stem": hyper["stem"],
        "subnetworks": tuple(f"block{position}" for position in hyper["positions"]),
        "subnetwork": hyper.get("subnetwork", "small"),
    }
    try:
        family, _ = published(hyper["net"])
        net = MultiExit(network(hyper["net"], **fields), ProjectionHead())
    except InputError:  # a network, stem or sub-network that we do not have
        return None
    variables = jax.eval_shape(lambda: net.init(jax.random.key(0), jnp.zeros((2, 32, 32, 3)), True))
    total = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    return torch_shapes(variables, f"selfcon_{family}"), total
