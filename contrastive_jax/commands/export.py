"""A trained encoder for PyTorch, under the names of the networks that others know:

    python -m contrastive_jax.commands.export --run=runs/a --naming=torchvision --output=encoder.safetensors

The newest checkpoint's backbone with its BatchNorm statistics; `--part=encoder` adds sub-networks, `--part=whole` heads
too. Namings: `torchvision` and
`timm`, and the authors' `selfcon` (SupContrast's too), `mcl` and `sdssl`. Reads no data. In PyTorch:
`net.load_state_dict(safetensors.torch.load_file("encoder.safetensors"))`.
"""

import argparse
import json
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from contrastive_jax.errors import InputError
from contrastive_jax.experiment import part as component
from contrastive_jax.torch_weights import files, to_torch
from contrastive_jax.torch_weights.names import table
from contrastive_jax.train.checkpoint import Checkpoints
from contrastive_jax.train.run_directory import RunDirectory

COLLECTIONS = ("batch_stats", "frozen")
"""What of a train state's `extra` belongs to the networks themselves."""
PARTS = ("backbone", "encoder", "whole")
"""The encoder without sub-networks, with them, and with all heads."""


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m contrastive_jax.commands.export", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--run", type=pathlib.Path, required=True, help="directory of a pretraining")
    parser.add_argument("--output", type=pathlib.Path, required=True, help="a .safetensors file")
    parser.add_argument("--naming", required=True, help="torchvision, timm, selfcon, mcl or sdssl")
    parser.add_argument("--step", type=int, default=None, help="of the checkpoint; the newest by default")
    parser.add_argument(
        "--input", type=int, default=0, help="image size, for positions of a ViT; 0: the run's"
    )
    parser.add_argument("--part", choices=PARTS, default=PARTS[0], help="what to write")
    options = parser.parse_args(argv)
    try:
        count = export(**vars(options))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{options.output}: {count} tensors")
    return 0


def export(
    *, run: pathlib.Path, output: pathlib.Path, naming: str, step: int | None, input: int, part: str
) -> int:
    """Writes the file; returns the number of its tensors."""
    config = RunDirectory(run).config()
    state = read_checkpoint(RunDirectory(run).checkpoints, step)
    variables = network_variables(state["params"], state["extra"], part)
    naming = f"{naming}_{config['network']['name']}"
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


def network_variables(params: Mapping[str, Any], extra: Mapping[str, Any], part: str) -> dict[str, Any]:
    """One of `PARTS` of a network's variables, by collection; all where there is no single encoder, as in cohorts."""
    trees = {"params": params} | {name: extra[name] for name in COLLECTIONS if name in extra}
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
    """A train state as plain arrays, whatever method and devices it is of."""
    if not folder.is_dir():
        raise InputError(f"{folder} holds no checkpoint.")
    checkpoints = Checkpoints(folder, read_only=True)
    step = checkpoints.latest() if step is None else step
    path = (folder / str(step) / "default").resolve()
    if step is None or not path.is_dir():
        raise InputError(f"{folder} holds no checkpoint{'' if step is None else f' of step {step}'}.")
    reader = ocp.PyTreeCheckpointer()
    metadata: Any = reader.metadata(path).item_metadata
    as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), metadata.tree)
    return reader.restore(path, restore_args=as_numpy)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
