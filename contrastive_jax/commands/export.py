"""Exports a trained encoder to PyTorch, under the names of torchvision, timm or the papers' authors.

    python -m contrastive_jax export --run=runs/a --naming=torchvision --output=encoder.safetensors

Writes the backbone of the newest checkpoint with its BatchNorm statistics; `--part=encoder` adds the sub-networks,
`--part=whole` the heads too. Namings: `torchvision` (resnet), `timm` (vit), and the authors' `selfcon` (resnet, vgg,
wide_resnet; also SupContrast's), `mcl` (cifar_resnet, hcgnet, resnet, shufflenet, wide_resnet) and `sdssl` (vit). Reads
no data. In PyTorch:

    net.load_state_dict(safetensors.torch.load_file("encoder.safetensors"))
"""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

from contrastive_jax.config.flags import Command, Flag
from contrastive_jax.errors import InputError, either, nearest
from contrastive_jax.experiment import part as component
from contrastive_jax.experiment import section_class
from contrastive_jax.models import ENCODERS
from contrastive_jax.parallel.mesh import Stack
from contrastive_jax.torch_weights import files, to_torch
from contrastive_jax.torch_weights.names import table, tables
from contrastive_jax.train.checkpoint import Checkpoints
from contrastive_jax.train.run_directory import RunDirectory

PARTS = ("backbone", "encoder", "whole")
"""The encoder without sub-networks, with them, and with all heads."""


def command(*, run: str, output: str, naming: str, step: int, input: int, part: str) -> None:
    file = pathlib.Path(output)
    count = export(pathlib.Path(run), file, naming, step=None if step < 0 else step, input=input, part=part)
    print(f"{file}: {count} tensors")


def export(
    run: pathlib.Path,
    output: pathlib.Path,
    naming: str,
    *,
    step: int | None = None,
    input: int = 0,
    part: str = PARTS[0],
) -> int:
    """Writes the file.

    Args:
      run: directory of a pretraining.
      output: a .safetensors file.
      naming: `torchvision`, `timm`, `selfcon`, `mcl` or `sdssl`.
      step: of the checkpoint; None: the newest.
      input: height and width of the images, for a ViT's positions; 0: those of the run.
      part: one of `PARTS`.

    Returns:
      The number of tensors in the file.

    Raises:
      InputError: no such run, checkpoint or naming, or a network that the naming does not take.
    """
    config = RunDirectory(run).config()
    naming = table_name(naming, config)
    state = read_checkpoint(RunDirectory(run).checkpoints, step)
    if set(state["params"]) == set(Stack._fields):
        raise InputError(
            f"{run} keeps its networks stacked (mcl_sharded), which export cannot name: train with mcl."
        )
    variables = network_variables(state["params"], state["collections"].get("network", {}), part)
    computed = {}
    if positions := getattr(table(naming), "computed", None):
        size = input or config["augment"]["size"]
        if not size:
            raise InputError("positions depend on the size of the images: give --input=32, for example.")
        computed = positions(component(config, "network"), size, size)
    about = {"naming": naming, "step": str(int(state["step"])), "network": json.dumps(config["network"])}
    tensors = to_torch(variables, naming, computed=computed)
    files.write(output, tensors, about)
    return len(tensors)


def table_name(naming: str, config: Mapping[str, Any]) -> str:
    """The file of `torch_weights.names` for a naming and the network of a config: `selfcon_wide_resnet`.

    Raises:
      InputError: no such naming, or one that does not take the network.
    """
    known, network = namings(), family(section_class("network", config["network"]))
    if naming not in known:
        raise InputError(f"there is no naming '{naming}': {nearest(naming, known)}")
    if network not in known[naming]:
        fitting = [name for name, families in known.items() if network in families]
        raise InputError(
            f"the naming '{naming}' takes {either(known[naming])}, and the run's network is {network}:"
            f" {f'choose {either(fitting)}' if fitting else 'no naming takes that'}."
        )
    return f"{naming}_{network}"


def namings() -> dict[str, list[str]]:
    """Naming -> the families of networks that it takes."""
    families = {family(cls) for cls in ENCODERS.classes().values()}
    found: dict[str, list[str]] = {}
    for naming, _, network in (name.partition("_") for name in tables()):
        if network in families:
            found.setdefault(naming, []).append(network)
    return found


def family(network: type) -> str:
    """The file that defines a network."""
    return network.__module__.rpartition(".")[2]


def network_variables(params: Mapping[str, Any], collections: Mapping[str, Any], part: str) -> dict[str, Any]:
    """One of `PARTS` of a network's variables, by collection; all of them if there is no single encoder (cohorts)."""
    trees = {"params": params, **collections}
    if part == "whole" or "encoder" not in params:
        return trees
    encoders = {name: tree["encoder"] for name, tree in trees.items() if "encoder" in tree}
    if part == "backbone":
        encoders = {
            name: {key: leaves for key, leaves in tree.items() if not key.startswith("sub_")}
            for name, tree in encoders.items()
        }
    return {name: {"encoder": tree} for name, tree in encoders.items()}


def read_checkpoint(folder: pathlib.Path, step: int | None) -> dict[str, Any]:
    """A train state as plain arrays, of any method and written on any devices.

    Raises:
      InputError: no checkpoint, none of `step` (None: the newest), or a damaged one.
    """
    checkpoints = Checkpoints(folder, read_only=True)
    try:
        return checkpoints.arrays(step)
    finally:
        checkpoints.close()


COMMAND = Command(
    "export",
    __doc__,
    command,
    flags=(
        Flag("run", "", "The directory of a pretraining.", required=True),
        Flag("output", "", "A .safetensors file.", required=True),
        Flag("naming", "", "One of torchvision, timm, selfcon, mcl and sdssl.", required=True),
        Flag("step", -1, "Checkpoint to export; -1: the newest."),
        Flag("input", 0, "Height and width of the images, for the positions of a ViT; 0: those of the run."),
        Flag("part", PARTS[0], "What to write.", choices=PARTS),
    ),
)
