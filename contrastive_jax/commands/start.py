"""Starts a run from given weights, such as a published ResNet, instead of random ones.

    python -m contrastive_jax start --config=configs/supcon.py:cifar10,resnet18 --workdir=runs/a \\
        --weights=resnet18.safetensors --naming=torchvision --without=fc.

Fills the encoder from a state dict (`.safetensors`, or `.pth` if PyTorch is installed) and saves it as the run's
checkpoint of step 0; `python -m contrastive_jax.main` with the same config and workdir continues from there. Heads
start fresh, and so do sub-networks without `--part=encoder`.
"""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import jax

from contrastive_jax.commands.export import PARTS, network_variables, table_name
from contrastive_jax.config.flags import Command, Flag
from contrastive_jax.config.sections import PRETRAINING
from contrastive_jax.data.encoded import ImageSet
from contrastive_jax.data.facts import facts
from contrastive_jax.data.order import Order
from contrastive_jax.errors import InputError
from contrastive_jax.experiment import Experiment, assemble
from contrastive_jax.experiment import part as component
from contrastive_jax.parallel.mesh import make_mesh
from contrastive_jax.torch_weights import files, from_torch
from contrastive_jax.torch_weights.names import table
from contrastive_jax.train.checkpoint import Checkpoints
from contrastive_jax.train.run_directory import RunDirectory
from contrastive_jax.train.state import TrainState, create


def start(
    config: dict[str, Any],
    *,
    workdir: str,
    weights: str,
    naming: str,
    part: str = PARTS[0],
    prefix: str = "",
    without: Sequence[str] = (),
) -> None:
    """Makes the run directory `workdir` with a checkpoint of step 0 that holds the weights."""
    experiment = assemble(config)
    run = RunDirectory(pathlib.Path(workdir))
    if run.checkpoints.exists():
        raise InputError(f"{run.path} has begun already: choose another --workdir.")
    run.check(experiment.config)
    naming = table_name(naming, experiment.config)
    tensors = files.read(pathlib.Path(weights))
    images = experiment.open(experiment.data.train_split)
    state, shape = fresh(experiment, images)
    state = fill(state, shape, tensors, experiment, naming, part=part, prefix=prefix, without=without)
    with run.open(experiment.config):
        run.resolved("images", dataclasses.asdict(facts(images)))
        checkpoints = Checkpoints(run.checkpoints)
        checkpoints.save(state)
        checkpoints.close()
    print(f"{run.path} begins with {weights}; continue with python -m contrastive_jax.main.")


def fresh(experiment: Experiment, images: ImageSet) -> tuple[TrainState, tuple[int, int, int]]:
    """The state from which pretraining would start, and the shape of a view (height, width, channels)."""
    seed = experiment.run.seed
    order = Order(experiment.sampler, images.labels, seed, experiment.run.batch_size)
    method = experiment.method(num_classes=images.num_classes, labels=images.labels)
    if experiment.run.cohort_devices > 1:
        raise InputError("a cohort over several devices cannot start from weights: set cohort_devices to 1.")
    optimizer = experiment.transform(method, experiment.learning_rate_schedule(order.steps_per_epoch))
    shape = experiment.view_shape(images)
    return create(method, optimizer, seed, shape, make_mesh()), shape


def fill(
    state: TrainState,
    shape: tuple[int, int, int],
    tensors: dict[str, Any],
    experiment: Experiment,
    naming: str,
    *,
    part: str,
    prefix: str,
    without: Sequence[str],
) -> TrainState:
    """`state` with the encoder's variables from `tensors`, whose names are those of the table `naming`.

    Raises InputError if the method has state of its own.
    """
    name = experiment.config["method"]["name"]
    if jax.tree.leaves(state.method_state):
        raise InputError(f"method {name} keeps a state besides its encoder, so it cannot start from weights.")
    if "encoder" not in state.params:
        raise InputError(f"method {name} has no single encoder, so it cannot start from weights.")
    like = network_variables(state.params, state.collections.network, part)
    positions = getattr(table(naming), "computed", None)
    computed = positions(component(experiment.config, "network"), *shape[:2]) if positions else {}
    chosen = {"prefix": prefix, "without": without, "computed": computed}
    filled = from_torch(like, tensors, naming, **chosen)
    trees = {"params": state.params, **state.collections.network}
    trees |= {
        name: {**trees[name], "encoder": {**trees[name]["encoder"], **tree["encoder"]}}
        for name, tree in filled.items()
    }
    params = trees.pop("params")
    return state._replace(params=params, collections=state.collections._replace(network=trees))


COMMAND = Command(
    "start",
    __doc__,
    start,
    flags=(
        Flag("workdir", "", "The run directory; it must be new.", required=True),
        Flag("weights", "", "A file with a state dict.", required=True),
        Flag(
            "naming",
            "",
            "One of torchvision, timm, selfcon, mcl and sdssl: see `export --help`.",
            required=True,
        ),
        Flag("part", PARTS[0], "What the run takes from the file.", choices=PARTS[:2]),
        Flag("prefix", "", "Only names that begin with this, e.g. 'student.'."),
        Flag("without", (), "Beginnings of names to leave out, e.g. 'fc.' or 'head.'."),
    ),
    config=PRETRAINING,
)
