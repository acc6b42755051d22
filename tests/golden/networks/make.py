"""Writes the files of this folder: what the authors' own networks compute on weights that are a formula.

    python make.py --supcontrast=DIR --selfcon=DIR --mcl=DIR --sdssl=DIR [--only=NAME]

Each DIR is a git clone of the repository named in `REPOSITORIES`. It needs torch, einops and pillow, and nothing of
this project but `formula.py` beside it. The networks run in float64 on the CPU, on float32 weights; dropout is off. A
file holds, for evaluation and training mode (`eval_*`, `train_*`), the features of every exit, their projections or
logits, and in `about` (JSON) where they come from. `train_running_mean` is one BatchNorm's after the pass.
Of a large batch the first four rows are kept, of
long vectors every n-th entry; `about` says which.
"""

import argparse
import importlib
import json
import pathlib
import subprocess
import sys
import types
from collections.abc import Callable
from typing import Any

import formula
import numpy as np
import torch
import torch.nn.functional as F

HERE = pathlib.Path(__file__).parent
REPOSITORIES = {
    "supcontrast": "HobbitLong/SupContrast",
    "selfcon": "raymin0223/self-contrastive-learning",
    "mcl": "winycg/MCL",
    "sdssl": "hagiss/SDSSL",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for repository in REPOSITORIES:
        parser.add_argument(f"--{repository}", type=pathlib.Path, help=f"clone of {REPOSITORIES[repository]}")
    parser.add_argument("--only", default="", help="write this file alone")
    options = parser.parse_args()
    for name, (repository, build, run, shape) in CASES.items():
        folder = getattr(options, repository)
        if folder is not None and options.only in ("", name):
            write(name, repository, folder, build, run, shape)


def write(
    name: str, repository: str, folder: pathlib.Path, build: Callable, run: Callable, shape: tuple
) -> None:
    network = silently(build, lambda module: from_repository(folder, module))
    single = record(network.float(), run, shape)
    arrays = record(network.double(), run, shape)
    rounding = {
        mode: max(deviation(single[key], exact) for key, exact in arrays.items() if key.startswith(mode))
        for mode in ("eval", "train")
    }
    every = {key: stride(value) for key, value in arrays.items()}
    about = {
        "repository": REPOSITORIES[repository],
        "commit": commit(folder),
        "network": f"{type(network).__module__}.{type(network).__qualname__}",
        "formula": formula.__doc__,
        "images": shape,
        "statistics": some_norm(network),
        "every": every,
        "torch": torch.__version__,
        "computed": "in float64, stored as float32",
        "deviation of the same in float32, relative to the largest entry": rounding,
    }
    kept = {
        key: np.atleast_2d(value)[..., :4, :: every[key]].astype(np.float32) for key, value in arrays.items()
    }
    kept["about"] = np.array(json.dumps(about))
    np.savez_compressed(HERE / f"{name}.npz", **kept)
    size = (HERE / f"{name}.npz").stat().st_size
    largest = max(np.abs(value).max() for value in arrays.values())
    print(f"{name:26} {size:6} bytes, largest value {largest:.3g}, float32 off by {rounding}", flush=True)


def record(network: torch.nn.Module, run: Callable, shape: tuple) -> dict[str, np.ndarray]:
    """Everything that `run` returns in both modes, and a running mean after training mode."""
    fill(network)
    dtype = next(network.parameters()).dtype
    x = torch.from_numpy(formula.images(shape)).to(dtype).permute(0, 3, 1, 2)
    arrays: dict[str, torch.Tensor] = {}
    with torch.no_grad():
        for mode in ("eval", "train"):
            network.train(mode == "train")
            arrays |= {f"{mode}_{key}": value for key, value in run(network, x).items()}
    arrays["train_running_mean"] = network.state_dict()[f"{some_norm(network)}.running_mean"]
    return {key: value.numpy().copy() for key, value in arrays.items()}


def deviation(value: np.ndarray, exact: np.ndarray) -> float:
    return float(np.abs(value - exact).max() / np.abs(exact).max())


def stride(value: np.ndarray) -> int:
    """Odd, so that it falls on all residues of grouped channels."""
    kept = 64 if value.ndim < 3 else 24
    return max(1, value.shape[-1] // kept) | 1


def fill(network: torch.nn.Module) -> None:
    """Sets every weight and statistic by the formula, but what the network computes itself; no dropout."""
    for name, tensor in network.state_dict().items():
        if not name.endswith(("num_batches_tracked", "pos_embed")):
            tensor.copy_(torch.from_numpy(formula.filled(name, tuple(tensor.shape))))
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0


def some_norm(network: torch.nn.Module) -> str:
    """The BatchNorm whose running mean is recorded: `encoder.bn1`, or else the last one."""
    names = [name for name in network.state_dict() if name.endswith(".running_mean")]
    return "encoder.bn1" if "encoder.bn1.running_mean" in names else names[-1].removesuffix(".running_mean")


def from_repository(folder: pathlib.Path, module: str) -> types.ModuleType:
    """A module of a clone; modules of the same name from another clone are forgotten first."""
    for clash in [name for name in sys.modules if name.split(".")[0] in TOP_LEVEL]:
        del sys.modules[clash]
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(module)
    finally:
        sys.path.remove(str(folder))


TOP_LEVEL = ("networks", "models", "utils", "vision_transformer", "byol_pytorch")


def commit(folder: pathlib.Path) -> str:
    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def silently(function: Callable, *args: Any) -> Any:
    """Some constructors print."""
    stdout, sys.stdout = sys.stdout, sys.stderr
    try:
        return function(*args)
    finally:
        sys.stdout = stdout


# What is recorded of each repository's networks.


def selfcon_exits(network, x):
    """Representations by exit, and the heads' normalised outputs."""
    positions = [i + 1 for i, chosen in enumerate(network.encoder.selfcon_pos) if chosen]
    sub, final = network.encoder(x)
    exits = dict(zip([f"block{p}" for p in positions] + ["final"], [*sub, final], strict=True))
    heads = [*network.sub_heads, network.head]
    projected = [F.normalize(head(z), dim=1) for head, z in zip(heads, exits.values(), strict=True)]
    return exits | {f"projected_{key}": z for key, z in zip(exits, projected, strict=True)}


def supcontrast_exits(network, x):
    final = network.encoder(x)
    return {"final": final, "projected_final": F.normalize(network.head(final), dim=1)}


def peers(network, x):
    """Representation and logits of every network of a cohort."""
    logits, embeddings = network(x)
    return {f"peer{i}": z for i, z in enumerate(embeddings)} | {f"logits{i}": z for i, z in enumerate(logits)}


def layers(network, x):
    """CLS of every layer, its projection and the prediction from it: `[layer, batch, dim]`."""
    cls = network.net.get_intermediate_layers(x, 12)
    projection = network(x)
    found = {"cls": cls, "projection": projection, "prediction": network.predict(projection)}
    return {key: z.reshape(12, x.shape[0], -1) for key, z in found.items()}


def selfcon(module: str, cls: str, name: str, positions: list[bool], size: str) -> Callable:
    fields = dict(name=name, selfcon_pos=positions, selfcon_size=size, dataset="cifar100")
    return lambda load: getattr(load(f"networks.{module}"), cls)(**fields)


def mcl(module: str, name: str, networks: int, classes: int = 100) -> Callable:
    return lambda load: getattr(load(f"models.{module}"), name)(classes, networks)


def sdssl(load):
    """ViT-Ti/32 on 96-pixel images under the student's twelve projectors and predictors, of width 512 here."""
    vit = load("vision_transformer").vit_tiny(patch_size=32, img_size=[96])
    args = types.SimpleNamespace(mlp_hidden=512, out_dim=256, up=0)
    return load("byol_pytorch").NetWrapper(vit, 192, args, prediction=True, intermediate=True)


CIFAR = (4, 32, 32, 3)
CASES: dict[str, tuple[str, Callable, Callable, tuple]] = {
    "supcontrast_resnet18": (
        "supcontrast",
        lambda load: load("networks.resnet_big").SupConResNet(name="resnet18"),
        supcontrast_exits,
        CIFAR,
    ),
    "selfcon_resnet18_fc": (
        "selfcon",
        selfcon("resnet_big", "ConResNet", "resnet18", [False, True, False], "fc"),
        selfcon_exits,
        CIFAR,
    ),
    "selfcon_resnet50_small": (
        "selfcon",
        selfcon("resnet_big", "ConResNet", "resnet50", [True, True, True], "small"),
        selfcon_exits,
        CIFAR,
    ),
    "selfcon_wrn_16_8_small": (
        "selfcon",
        selfcon("wrn_big", "ConWRN", "wrn_16_8", [True, False], "small"),
        selfcon_exits,
        CIFAR,
    ),
    "selfcon_vgg16_bn_small": (
        "selfcon",
        selfcon("vgg_big", "ConVGG", "vgg16_bn", [True, False, True, False], "small"),
        selfcon_exits,
        CIFAR,
    ),
    "mcl_resnet32_M3": ("mcl", mcl("resnet", "resnet32", 3), peers, CIFAR),
    "mcl_resnet110_M2": ("mcl", mcl("resnet", "resnet110", 2), peers, CIFAR),
    "mcl_wrn_16_2_M3": ("mcl", mcl("wrn", "wrn_16_2", 3), peers, CIFAR),
    "mcl_shufflenetv2_05x_M3": ("mcl", mcl("shufflenetv2", "ShuffleNetV2_05x", 3), peers, CIFAR),
    "mcl_hcgnet_a1_M2": ("mcl", mcl("hcgnet", "hcgnet_A1", 2), peers, CIFAR),
    "mcl_imagenet_resnet18_M3": ("mcl", mcl("resnet_imagenet", "resnet18", 3, 1000), peers, (4, 64, 64, 3)),
    "sdssl_vit_tiny_32": ("sdssl", sdssl, layers, (16, 96, 96, 3)),
}
"""Repository, constructor, what is recorded, images."""

if __name__ == "__main__":
    main()
