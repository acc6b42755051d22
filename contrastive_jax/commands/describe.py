"""Prints the parameters, MACs and activation memory of a config's networks, exit by exit.

    python -m contrastive_jax describe --config=configs/selfcon_s.py:cifar100,resnet18 --input=32

The table has the cost per image of reaching each exit and stopping there, and of the forward pass of a training step
with all its views, heads and teachers. Reads no images; the classes of a folder are counted.
"""

import contextlib
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from contrastive_jax.config.flags import Command, Flag
from contrastive_jax.config.presets import CLASSES
from contrastive_jax.config.sections import PRETRAINING
from contrastive_jax.errors import InputError
from contrastive_jax.evaluate.cost import ALL, Cost, costs
from contrastive_jax.evaluate.figures import aligned
from contrastive_jax.experiment import Experiment, assemble, compute_dtype
from contrastive_jax.models.outputs import FINAL
from contrastive_jax.train.run_directory import parameter_count, parameter_table

ASSUMED = 10
"""Classes of a data set of which nothing is known."""


def describe(config: dict[str, Any], *, input: int = 0, classes: int = 0, examples: int = 50_000) -> None:
    """Prints the overview of the parameters and the table of costs."""
    experiment = assemble(config)
    if min(input, classes, examples - 1) < 0:
        raise InputError("give --input, --classes and --examples as positive numbers.")
    classes, whose = (classes, "as given") if classes else classes_of(experiment)
    size = input or experiment.recipe.size or 32
    shape = (size, size, len(experiment.recipe.mean))
    params, found = describe_experiment(experiment, shape, classes=classes, examples=examples)
    print(parameter_table(params))
    precision = jnp.dtype(compute_dtype(experiment.run.precision)).name
    print(f"\n{name_of(experiment)}, images {'x'.join(map(str, shape))}, activations in {precision}")
    print(f"{classes} classes, {whose}\n")
    print(table(found))
    print("\nMACs and activations are per image; rows above the last are in evaluation mode, without heads.")
    if any(re.fullmatch(r"net\d+", name) for name in found):
        print("`final` is the cohort's first network; `net2`, ... are the others.")


def classes_of(experiment: Experiment) -> tuple[int, str]:
    """The number of classes of the config's data set, and where it is from. Only a folder is looked at."""
    source = experiment.data.source
    if source in CLASSES:
        return CLASSES[source], f"those of {source}"
    if source.startswith("folder:"):
        with contextlib.suppress(InputError):  # it may be on another machine
            images = experiment.open(experiment.data.train_split)
            if images.labelled:
                return images.num_classes, f"counted in {source}"
    return ASSUMED, f"assumed for {source}: give --classes for a method with a classifier"


def describe_experiment(
    experiment: Experiment, shape: tuple[int, int, int], *, classes: int, examples: int
) -> tuple[dict, dict[str, Cost]]:
    """Shapes of the parameters, and the cost per image of every exit, of `all exits` and of a `training step`.

    Args:
      shape: height, width and channels of an image.
      classes: number of classes, for methods with a classifier.
      examples: size of the training set, for methods that keep a value per image.
    """
    method = experiment.method(num_classes=classes, labels=np.arange(examples) % classes)
    batch_size = experiment.run.batch_size
    view = jax.ShapeDtypeStruct((batch_size, method.views, *shape), jnp.float32)
    row = jax.ShapeDtypeStruct((batch_size,), jnp.int32)
    key = jax.eval_shape(lambda: jax.random.key(0))
    params, collections, state = jax.eval_shape(method.init, key, view)

    exits = costs(method.features, params, collections, jax.ShapeDtypeStruct((1, *shape), jnp.float32))
    found = {"all exits": exits.pop(ALL)}
    found = {name: exits[name] for name in sorted(exits, key=lambda name: (name == FINAL, name))} | found

    def step(params, carried, batch, key):
        collections, state = carried
        return {"step": method.embed(params, collections, state, batch, key)[0]}

    batch = {"view": view, "label": row, "index": row}
    whole = costs(step, params, (collections, state), batch, key)["step"]
    per_image = Cost(parameter_count(params), whole.macs // batch_size, whole.activations // batch_size)
    views = f"{method.views} view{'s' if method.views > 1 else ''}"
    return params, found | {f"training step, {views}": per_image}


def table(found: dict[str, Cost]) -> str:
    """The costs as text, a row each."""
    rows = [("reaching", "parameters", "MACs", "activations")]
    rows += [
        (name, f"{c.parameters / 1e6:.3f} M", f"{c.macs / 1e9:.4f} G", f"{c.activations / 1e6:.2f} MB")
        for name, c in found.items()
    ]
    return aligned(rows)


def name_of(experiment: Experiment) -> str:
    """`selfcon_s on resnet`."""
    return " on ".join(experiment.config[section]["name"] for section in ("method", "network"))


COMMAND = Command(
    "describe",
    __doc__,
    describe,
    flags=(
        Flag("input", 0, "Height and width of the images; 0: augment.size if it is set, else 32."),
        Flag(
            "classes",
            0,
            "Number of classes, for methods with a classifier; 0: those of the data set, if known.",
        ),
        Flag("examples", 50_000, "Size of the training set, for methods that keep a value per image."),
    ),
    config=PRETRAINING,
)
