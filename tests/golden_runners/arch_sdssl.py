"""SDSSL's ViTs, and its students' projectors and predictors."""

import math

import jax
import jax.numpy as jnp

from contrastive_jax.models import network
from contrastive_jax.models.heads import ExitHeads, ProjectionHead
from contrastive_jax.models.vit import NAMED
from contrastive_jax.torch_weights.names import table, torch_shapes

IMAGE = 224


def build(hyper):
    if hyper["net"] == "sdssl_heads" and set(hyper) == {"net", "dim", "intermediate", "predictor", "layers"}:
        return heads(hyper)
    if set(hyper) == {"net", "stem", "patch"} and hyper["stem"] == "patch":
        name = f"{hyper['net']}_{hyper['patch']}"
        return vit(name) if name in NAMED else None
    return None


def vit(name):
    """SDSSL counts the frozen patch projection and the positions, which are not parameters of ours."""
    net = network(name)
    images = jnp.zeros((2, IMAGE, IMAGE, 3))
    variables = jax.eval_shape(lambda: net.init(jax.random.key(0), images, True))
    positions = table("sdssl_vit").computed(net, IMAGE, IMAGE)
    shapes = torch_shapes(variables, "sdssl_vit") | {key: value.shape for key, value in positions.items()}
    return shapes, sum(leaf.size for leaf in jax.tree.leaves(variables)) + positions["pos_embed"].size


def heads(hyper):
    """Projectors with 3 layers, 2048 wide for inner layers and 4096 for the last; predictors with 2 layers."""
    projector = ProjectionHead(
        dim=256,
        depth=3,
        hidden=4096,
        hidden_norm=True,
        output_norm="plain",
        hidden_bias=False,
        output_bias=False,
    )
    parts = {"projector": (projector, hyper["dim"])}
    if hyper["predictor"]:
        parts["predictor"] = (projector.clone(depth=2), projector.dim)
    inner = [f"layer{i:02d}" for i in range(1, hyper["layers"])] if hyper["intermediate"] else []
    variables = {"params": {}, "batch_stats": {}}
    for name, (head, width) in parts.items():
        small = head.clone(hidden=2048) if name == "projector" else head
        net = ExitHeads(small, head) if inner else head
        x = jnp.zeros((2, width))
        features = {exit: x for exit in (*inner, "final")} if inner else x
        made = jax.eval_shape(lambda net=net, x=features: net.init(jax.random.key(0), x, True))
        variables["params"][name] = made["params"]
        variables["batch_stats"][name] = made["batch_stats"]
    total = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(variables["params"]))
    return torch_shapes(variables, "sdssl_heads"), total
