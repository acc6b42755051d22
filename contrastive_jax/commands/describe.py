"""What a config's networks are and cost, before anything is trained:

    python -m contrastive_jax.commands.describe --config=configs/selfcon_s.py:cifar100,resnet18 --input=32

Prints the parameters (clu's overview) and a table: what it costs per image to reach an exit and stop there, and what
a training step computes forward, with all views, heads and teachers. Reads no data.
"""

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags
from clu import parameter_overview

from contrastive_jax.config import flags as commands
from contrastive_jax.errors import InputError
from contrastive_jax.evaluate.cost import ALL, Cost, costs
from contrastive_jax.experiment import Experiment, assemble, compute_dtype
from contrastive_jax.models.outputs import FINAL

INPUT = flags.DEFINE_integer("input", 0, "Height and width of the images; 0: augment.size, or else 32.")
CLASSES = flags.DEFINE_integer("classes", 10, "Classes, for methods with a classifier.")
EXAMPLES = flags.DEFINE_integer("examples", 50_000, "Images, for methods that remember them all.")


def describe() -> None:
    experiment = assemble(commands.plain_config())
    if min(INPUT.value, CLASSES.value - 1, EXAMPLES.value - 1) < 0:
        raise InputError("give --input, --classes and --examples as positive numbers.")
    size = INPUT.value or experiment.recipe.size or 32
    shape = (size, size, len(experiment.recipe.mean))
    params, found = describe_experiment(experiment, shape, classes=CLASSES.value, examples=EXAMPLES.value)
    print(parameter_overview.get_parameter_overview(params, include_stats=False))
    precision = jnp.dtype(compute_dtype(experiment.run.precision)).name
    print(f"\n{name_of(experiment)}, images {'x'.join(map(str, shape))}, activations in {precision}\n")
    print(table(found))
    print("\nMACs and activations are per image; rows above the last are in evaluation mode, without heads.")


def describe_experiment(
    experiment: Experiment, shape: tuple[int, int, int], *, classes: int, examples: int
) -> tuple[dict, dict[str, Cost]]:
    """Shapes of the parameters, and the cost per image of every exit, of `all exits` and of a `training step`."""
    method = experiment.method(num_classes=classes, labels=np.arange(examples) % classes)
    batch_size = experiment.run.batch_size
    view = jax.ShapeDtypeStruct((batch_size, method.views, *shape), jnp.float32)
    row = jax.ShapeDtypeStruct((batch_size,), jnp.int32)
    key = jax.eval_shape(lambda: jax.random.key(0))
    params, extra = jax.eval_shape(method.init, key, view)

    exits = costs(method.features, params, extra, jax.ShapeDtypeStruct((1, *shape), jnp.float32))
    found = {"all exits": exits.pop(ALL)}
    found = {name: exits[name] for name in sorted(exits, key=lambda name: (name == FINAL, name))} | found

    def step(params, extra, batch, key):
        return {"step": method.embed(params, extra, batch, key)[0]}

    batch = {"view": view, "label": row, "index": row}
    whole = costs(step, params, extra, batch, key)["step"]
    per_image = Cost(total(params), whole.macs // batch_size, whole.activations // batch_size)
    views = f"{method.views} view{'s' if method.views > 1 else ''}"
    return params, found | {f"training step, {views}": per_image}


def table(found: dict[str, Cost]) -> str:
    """One row per entry."""
    rows = [("reaching", "parameters", "MACs", "activations")]
    rows += [
        (name, f"{c.parameters / 1e6:.3f} M", f"{c.macs / 1e9:.4f} G", f"{c.activations / 1e6:.2f} MB")
        for name, c in found.items()
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    )


def name_of(experiment: Experiment) -> str:
    """`selfcon_s on resnet`."""
    return " on ".join(experiment.config[section]["name"] for section in ("method", "network"))


def total(params: dict) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(params))


if __name__ == "__main__":
    commands.run(describe)
