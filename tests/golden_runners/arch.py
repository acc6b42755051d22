"""Golden family `arch`: names and shapes of all parameters and buffers, in torch layout."""

import json
import re

import jax
import jax.numpy as jnp
from golden_case import NotCovered

from contrastive_jax.models.heads import MultiExit, ProjectionHead
from contrastive_jax.models.resnet import LAYOUTS, STEMS, ResNet
from contrastive_jax.models.torch_names import torch_shapes


def run(fields, path):
    network = resnet(fields["hyperparameters"])
    variables = jax.eval_shape(lambda: network.init(jax.random.key(0), jnp.zeros((2, 32, 32, 3)), True))
    content = json.loads(path.read_text())
    expected = {
        name: tuple(shape)
        for name, shape in content["param_shapes"].items()
        if not name.endswith("num_batches_tracked")
    }
    ours = torch_shapes(variables)
    assert ours.keys() == expected.keys(), sorted(ours.keys() ^ expected.keys())[:6]
    different = [
        f"{name}: {ours[name]} is {shape} there" for name, shape in expected.items() if ours[name] != shape
    ]
    assert not different, different[:6]
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == content["params_total"]


def resnet(hyper) -> MultiExit:
    known = {"net", "stem", "positions", "subnetwork"}
    match = re.fullmatch(r"resnet(\d+)", hyper["net"])
    if not match or int(match[1]) not in LAYOUTS or hyper["stem"] not in STEMS or set(hyper) - known:
        raise NotCovered(f"network {hyper}")
    encoder = ResNet(
        depth=int(match[1]),
        stem=hyper["stem"],
        subnetworks=tuple(f"block{position}" for position in hyper["positions"]),
        subnetwork=hyper.get("subnetwork", "small"),
    )
    return MultiExit(encoder, ProjectionHead())
