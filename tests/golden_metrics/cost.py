"""Group `cost`: parameters and multiply-adds of SelfCon's and SupContrast's networks with their heads."""

import re

import jax
import jax.numpy as jnp
from golden_metric import MetricCase, NotCovered

from contrastive_jax.errors import InputError
from contrastive_jax.evaluate.cost import ALL, costs
from contrastive_jax.models import network
from contrastive_jax.models.heads import MultiExit, ProjectionHead

SIZES = {"cifar": 32, "tiny": 64}
"""Pixels of the images by the data set in an array's name."""
SELFCON = r"(?P<net>[a-z0-9]+)_(?P<data>[a-z]+)_(?:nosub|sub(?P<at>all|\d+)_(?P<kind>[a-z]+))"
NAME = rf"out_(?:supcontrast_(?P<plain>[a-z0-9]+)|{SELFCON})"
ALL_POSITIONS = "123"
COUNTS = {"params_total", "params_encoder", "macs_forward", "flops_forward"}


def params_flops(case: MetricCase):
    case.expect(params="input", arrays=NAME)
    case.choice("input", "1 image")
    return {name: counts(name, set(case.array(name))) for name in case.arrays}


def counts(name: str, asked: set[str]) -> dict[str, int]:
    match = re.fullmatch(NAME, name)
    data = (match["data"] or "cifar") if match else ""
    if match is None or asked != COUNTS or data not in SIZES:
        raise NotCovered(f"{name} with {', '.join(sorted(asked))}")
    at = {None: "", "all": ALL_POSITIONS}.get(match["at"], match["at"])
    fields = {"subnetworks": tuple(f"block{i}" for i in at), "subnetwork": match["kind"] or "small"}
    try:
        net = MultiExit(network(match["plain"] or match["net"], stem="cifar", **fields), ProjectionHead())
    except InputError as error:
        raise NotCovered(f"{name}: {error}") from error
    images = jax.ShapeDtypeStruct((1, SIZES[data], SIZES[data], 3), jnp.float32)
    state = jax.eval_shape(lambda x: net.init(jax.random.key(0), x, True), images)
    params = state.pop("params")

    def forward(params, state, images):
        exits, projected = net.apply({"params": params, **state}, images, False)
        return {"encoder": exits, "heads": projected}

    found = costs(forward, params, state, images)
    return {
        "params_total": sum(leaf.size for leaf in jax.tree.leaves(params)),
        "params_encoder": found["encoder"].parameters,
        "macs_forward": found[ALL].macs,
        "flops_forward": 2 * found[ALL].macs,
    }


STEMS = {"params_flops": params_flops}
