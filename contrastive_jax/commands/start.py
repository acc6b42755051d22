"""A run that begins with given weights instead of random ones:

    python -m contrastive_jax.commands.start --config=configs/supcon.py:cifar10,resnet18 --workdir=runs/a \\
        --weights=resnet18.safetensors --naming=torchvision --without=fc.

Fills the encoder from a state dict (`.safetensors`, or `.pth` where PyTorch is installed) and saves it as the run's
checkpoint of step 0; `contrastive_jax.main` with the same config and workdir goes on from there. Heads start fresh,
and so do sub-networks without `--part=encoder`.
"""

import pathlib
from typing import Any

from absl import flags

from contrastive_jax.commands.export import COLLECTIONS, PARTS, network_variables
from contrastive_jax.config import flags as commands
from contrastive_jax.data.order import Order
from contrastive_jax.errors import InputError
from contrastive_jax.experiment import Experiment, assemble, part
from contrastive_jax.parallel.mesh import make_mesh
from contrastive_jax.torch_weights import files, from_torch
from contrastive_jax.torch_weights.names import table
from contrastive_jax.train.checkpoint import Checkpoints
from contrastive_jax.train.run_directory import RunDirectory
from contrastive_jax.train.state import TrainState, create

WORKDIR = flags.DEFINE_string("workdir", "", "Run directory; it must be new.")
WEIGHTS = flags.DEFINE_string("weights", "", "File with a state dict.")
NAMING = flags.DEFINE_string("naming", "", "torchvision, timm, selfcon, mcl or sdssl.")
PART = flags.DEFINE_enum("part", PARTS[0], PARTS[:2], "What the file holds and the run takes from it.")
PREFIX = flags.DEFINE_string("prefix", "", "Beginning of the names that count, e.g. 'student.'.")
WITHOUT = flags.DEFINE_list("without", [], "Beginnings of names that are left out, e.g. 'fc.' or 'head.'.")


def start() -> None:
    for flag in (WORKDIR, WEIGHTS, NAMING):
        if not flag.value:
            raise InputError(
                f"give --{flag.name}; python -m contrastive_jax.commands.start --help says which."
            )
    experiment = assemble(commands.plain_config())
    run = RunDirectory(pathlib.Path(WORKDIR.value))
    if run.checkpoints.exists():
        raise InputError(f"{run.path} has begun already: choose another --workdir.")
    run.check(experiment.config)
    tensors = files.read(pathlib.Path(WEIGHTS.value))
    state = fill(*fresh(experiment), tensors, experiment)
    run.open(experiment.config)
    checkpoints = Checkpoints(run.checkpoints)
    checkpoints.save(state)
    checkpoints.close()
    print(f"{run.path} begins with {WEIGHTS.value}; go on with contrastive_jax.main.")


def fresh(experiment: Experiment) -> tuple[TrainState, tuple[int, int, int]]:
    """The state with which `main` would begin, and what the networks see (height, width, channels)."""
    images, seed = experiment.open(experiment.data.train_split), experiment.run.seed
    order = Order(experiment.sampler, images.labels, seed, experiment.run.batch_size)
    method = experiment.method(num_classes=images.num_classes, labels=images.labels)
    if experiment.run.cohort_devices > 1:
        raise InputError("a cohort over several devices cannot start from weights: set cohort_devices to 1.")
    optimizer = experiment.transform(method, experiment.learning_rate_schedule(order.steps_per_epoch))
    shape = experiment.view_shape(images)
    return create(method, optimizer, seed, shape, make_mesh()), shape


def fill(
    state: TrainState, shape: tuple[int, int, int], tensors: dict[str, Any], experiment: Experiment
) -> TrainState:
    """`state` with the encoder's variables from `tensors`. Raises InputError where other networks copy these."""
    if copies := sorted(set(state.extra) - set(COLLECTIONS)):
        raise InputError(
            f"method {experiment.config['method']['name']} keeps {', '.join(copies)} beside its encoder: "
            "only methods without such state can start from weights."
        )
    naming = f"{NAMING.value}_{experiment.config['network']['name']}"
    like = network_variables(state.params, state.extra, PART.value)
    positions = getattr(table(naming), "computed", None)
    computed = positions(part(experiment.config, "network"), *shape[:2]) if positions else {}
    chosen = {"prefix": PREFIX.value, "without": WITHOUT.value, "computed": computed}
    filled = from_torch(like, tensors, naming, **chosen)
    trees = {"params": state.params, **state.extra}
    trees |= {
        name: {**trees[name], "encoder": {**trees[name]["encoder"], **tree["encoder"]}}
        for name, tree in filled.items()
    }
    return state._replace(params=trees.pop("params"), extra=trees)


if __name__ == "__main__":
    commands.run(start)
