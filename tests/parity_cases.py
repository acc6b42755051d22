"""Our versions of the networks recorded in `golden/networks/`, with outputs named as in the recorded files."""

import functools
import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from contrastive_jax.losses import l2_normalize
from contrastive_jax.models import network
from contrastive_jax.models.cohort import Cohort, CohortHeads
from contrastive_jax.models.heads import ExitHeads, MultiExit, ProjectionHead

Variables = Any
FOLDER = pathlib.Path(__file__).parent / "golden" / "networks"


class Case(NamedTuple):
    """A network, its table of names, and its outputs."""

    naming: str
    init: Callable[[jax.Array], Variables]
    """Images -> variables, of which only the shapes are used."""
    apply: Callable[[Variables, jax.Array, bool], tuple[dict[str, jax.Array], Variables]]
    """Variables, images, train -> the recorded arrays by name, and the new `batch_stats`."""


def of_module(naming: str, module: nn.Module, record: Callable) -> Case:
    def init(images):
        return module.init(jax.random.key(0), images, True)

    def apply(variables, images, train):
        found, new = module.apply(variables, images, train, mutable=["batch_stats"] if train else [])
        return record(found), new.get("batch_stats")

    return Case(naming, init, apply)


def selfcon(naming: str, name: str, **fields: Any) -> Case:
    def record(found):
        exits, projected = found
        return exits | {f"projected_{name}": l2_normalize(z) for name, z in projected.items()}

    return of_module(naming, MultiExit(network(name, **fields), ProjectionHead()), record)


def mcl(naming: str, name: str, networks: int, shared: str = "", classes: int = 100, **fields: Any) -> Case:
    def record(found):
        peers = list(found.values())
        arrays = {f"peer{i}": peer.representation for i, peer in enumerate(peers)}
        return arrays | {f"logits{i}": peer.logits for i, peer in enumerate(peers)}

    cohort = Cohort((network(name, **fields),) * networks, shared)
    return of_module(naming, CohortHeads(cohort, ProjectionHead(hidden=8), classes), record)


def sdssl() -> Case:
    """The ViT, with a separate projector and predictor of the student for each of its twelve layers."""
    encoder = network("vit_tiny_32", subnetworks=tuple(f"layer{i:02d}" for i in range(1, 12)))
    head = ProjectionHead(
        dim=256,
        depth=3,
        hidden=512,
        hidden_norm=True,
        output_norm="plain",
        hidden_bias=False,
        output_bias=False,
    )
    parts = {
        "encoder": encoder,
        "projector": ExitHeads(head.clone(hidden=256), head),
        "predictor": ExitHeads(head.clone(depth=2), head.clone(depth=2)),
    }

    def run(module_call, images):
        exits = module_call("encoder", images).exits
        projected = module_call("projector", exits)
        predicted = module_call("predictor", projected)
        return exits, projected, predicted

    def init(images):
        made: dict[str, dict] = {}

        def call(name, x):
            found, variables = parts[name].init_with_output(jax.random.key(0), x, True)
            for collection, tree in variables.items():
                made.setdefault(collection, {})[name] = tree
            return found

        run(call, images)
        return made

    def apply(variables, images, train):
        stats = {}

        def call(name, x):
            own = {collection: tree[name] for collection, tree in variables.items() if name in tree}
            found, new = parts[name].apply(own, x, train, mutable=["batch_stats"] if train else [])
            stats.update({name: new["batch_stats"]} if "batch_stats" in new else {})
            return found

        outputs = run(call, images)
        names = ("cls", "projection", "prediction")
        return {k: jnp.stack(list(z.values())) for k, z in zip(names, outputs, strict=True)}, stats

    return Case("sdssl_vit", init, apply)


SMALL = functools.partial(selfcon, subnetwork="small")
CASES: dict[str, Callable[[], Case]] = {
    "supcontrast_resnet18": lambda: selfcon("selfcon_resnet", "resnet18"),
    "selfcon_resnet18_fc": lambda: selfcon(
        "selfcon_resnet", "resnet18", subnetworks=("block2",), subnetwork="fc"
    ),
    "selfcon_resnet50_small": lambda: SMALL(
        "selfcon_resnet", "resnet50", subnetworks=("block1", "block2", "block3")
    ),
    "selfcon_wrn_16_8_small": lambda: SMALL(
        "selfcon_wide_resnet", "wrn_16_8", subnetworks=("block1",), dropout=0.0
    ),
    "selfcon_vgg16_bn_small": lambda: SMALL("selfcon_vgg", "vgg16_bn", subnetworks=("block1", "block3")),
    "mcl_resnet32_M3": lambda: mcl("mcl_cifar_resnet", "cifar_resnet32", 3, "block1"),
    "mcl_resnet110_M2": lambda: mcl("mcl_cifar_resnet", "cifar_resnet110", 2),
    "mcl_wrn_16_2_M3": lambda: mcl("mcl_wide_resnet", "wrn_16_2", 3, "block1"),
    "mcl_shufflenetv2_05x_M3": lambda: mcl("mcl_shufflenet", "shufflenet_v2_05x", 3, "block1"),
    "mcl_hcgnet_a1_M2": lambda: mcl("mcl_hcgnet", "hcgnet_a1", 2),
    "mcl_imagenet_resnet18_M3": lambda: mcl(
        "mcl_resnet", "resnet18", 3, "block2", classes=1000, stem="imagenet"
    ),
    "sdssl_vit_tiny_32": sdssl,
}
"""By name of the recorded file."""
QUICK = {"selfcon_resnet18_fc", "mcl_wrn_16_2_M3"}
"""Cases that the fast tests run as well."""
