"""What a cohort costs beside so many single networks: compiled FLOPs and bytes of one train step.

    python benchmarks/mcl_cost.py --network=cifar_resnet32 --networks=2

MCL's M networks should cost at most 1.03 x M x one network trained with cross-entropy alone. The figures are XLA's for
the CPU program; the contrastive terms are the same on every backend.
"""

import argparse
import functools

import jax
import jax.numpy as jnp
import numpy as np

from contrastive_jax.config.presets import pretraining
from contrastive_jax.experiment import assemble
from contrastive_jax.parallel.mesh import make_mesh
from contrastive_jax.train.state import create
from contrastive_jax.train.step import Training, train_step


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--network", default="cifar_resnet32")
    parser.add_argument("--networks", type=int, default=2)
    parser.add_argument("--batch", type=int, default=128)
    options = parser.parse_args()
    one = cost("cross_entropy", options.network, options.batch)
    cohort = cost("mcl", options.network, options.batch, networks=options.networks)
    for name, unit in (("flops", 1e9), ("bytes accessed", 1e9)):
        ratio = cohort[name] / (options.networks * one[name])
        print(f"{name}: one {one[name] / unit:.2f} G, cohort {cohort[name] / unit:.2f} G, ratio {ratio:.4f}")


def cost(method: str, network: str, batch: int, **fields) -> dict[str, float]:
    """XLA's count for one compiled step."""
    config = pretraining(method, f"cifar100,{network}")
    config.update(batch_size=batch, method=fields, head={"dim": 128, "hidden": 128})
    experiment = assemble(config.to_dict())
    mesh = make_mesh(jax.devices()[:1])
    built = experiment.method(num_classes=100, labels=np.arange(50_000) % 100)
    schedule = experiment.learning_rate_schedule(390)
    optimizer = experiment.transform(built, schedule)
    state = create(built, optimizer, 0, (32, 32, 3), mesh)
    training = Training(built, optimizer, schedule, experiment.recipe, mesh)
    step = functools.partial(train_step, training)
    rows = {
        "image": jax.ShapeDtypeStruct((batch, 32, 32, 3), jnp.uint8),
        "label": jax.ShapeDtypeStruct((batch,), jnp.int32),
        "index": jax.ShapeDtypeStruct((batch,), jnp.int32),
    }
    with jax.set_mesh(mesh):
        compiled = jax.jit(step, donate_argnums=0).lower(state, rows, np.uint32(0)).compile()
    return compiled.cost_analysis() or {}


if __name__ == "__main__":
    main()
