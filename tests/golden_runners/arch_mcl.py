"""Networks of MCL's code: cohorts with classifiers. In that code the criterion owns the projection heads."""

import jax
import jax.numpy as jnp

from contrastive_jax.models import network
from contrastive_jax.models.cohort import Cohort, CohortHeads
from contrastive_jax.models.heads import ProjectionHead
from contrastive_jax.torch_weights.names import torch_shapes

CIFAR = {
    **{f"resnet{depth}": (f"cifar_resnet{depth}", "mcl_cifar_resnet") for depth in (32, 56, 110)},
    **{f"wrn_{size}": (f"wrn_{size}", "mcl_wide_resnet") for size in ("16_2", "28_4", "40_2")},
    **{f"ShuffleNetV2_{size}": (f"shufflenet_v2_{size}", "mcl_shufflenet") for size in ("05x", "1x")},
    **{f"hcgnet_A{size}": (f"hcgnet_a{size}", "mcl_hcgnet") for size in (1, 2)},
}
"""By MCL's name: our name of the network, and its table of names."""
IMAGENET = {f"resnet{depth}": (f"resnet{depth}", "mcl_resnet") for depth in (18, 34)}
TRUNK = {"cifar": "block1", "imagenet": "block2"}


def build(hyper):
    known = {"net", "stem", "networks", "shared_trunk", "num_classes"}
    networks = IMAGENET if hyper.get("stem") == "imagenet" else CIFAR
    if set(hyper) != known or hyper["net"] not in networks or hyper["stem"] not in TRUNK:
        return None
    name, naming = networks[hyper["net"]]
    encoder = network(name) if networks is CIFAR else network(name, stem="imagenet")
    cohort = Cohort((encoder,) * hyper["networks"], TRUNK[hyper["stem"]] if hyper["shared_trunk"] else "")
    model = CohortHeads(cohort, ProjectionHead(hidden=128), hyper["num_classes"])
    variables = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((2, 32, 32, 3)), True))
    for head in [name for name in variables["params"] if name.startswith("head_")]:
        del variables["params"][head]
    return torch_shapes(variables, naming), sum(x.size for x in jax.tree.leaves(variables["params"]))
