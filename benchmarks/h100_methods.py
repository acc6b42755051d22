"""Whether the step of every method compiles for an H100, on a machine without a GPU.

    pip install --no-deps jax-cuda13-pjrt==$JAX jax-cuda13-plugin==$JAX   # of the installed jax; 383 MB
    python benchmarks/h100_methods.py             all methods; half a minute each on two cores
    python benchmarks/h100_methods.py supcon mcl  those

The conformance suite's tiny network, augmentation, metrics and optimizer included. A GPU compiler fails where the CPU's
does not: jax 0.11.2 could not compile a vector that is normalised twice. Exits with 1 if a method does not compile.
"""

import os
import sys
import time

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_gpu_autotune_level=0"

import jax
import jax.numpy as jnp
import numpy as np
from h100_aot import H100
from jax.experimental import topologies

from contrastive_jax.conformance import BATCH, IMAGE, Trial
from contrastive_jax.experiment import CHOICES
from contrastive_jax.parallel.mesh import batch_sharding, state_sharding
from contrastive_jax.train.state import TrainState
from contrastive_jax.train.step import train_step


def main() -> None:
    names = sys.argv[1:] or list(CHOICES["method"].classes())
    failed = 0
    for name in names:
        started = time.perf_counter()
        try:
            compile_step(name)
            print(f"{name:28}ok, {time.perf_counter() - started:.0f} s", flush=True)
        except Exception as error:
            failed += 1
            print(f"{name:28}{type(error).__name__}: {' '.join(str(error).split())[:300]}", flush=True)
    print(f"{len(names) - failed} of {len(names)} methods compile, jax {jax.__version__}.")
    sys.exit(min(failed, 1))


def compile_step(name: str) -> None:
    """Lowers and compiles the step for the devices of a topology; there are only shapes."""
    topology = topologies.get_topology_desc(platform="cuda", target_config=H100, topology="1x1x1")
    trial = Trial(name, list(topology.devices), precision="bfloat16")
    training, mesh = trial.training, trial.mesh

    def init():
        params, *rest = trial.method.init(jax.random.key(0), jnp.zeros((2, trial.method.views, *IMAGE)))
        return TrainState(jnp.zeros((), jnp.int32), params, *rest, training.optimizer.init(params))

    def shaped(leaf, sharding):
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)

    with jax.set_mesh(mesh):
        state = jax.eval_shape(init)
        state = jax.tree.map(shaped, state, state_sharding(state, mesh))
        kinds = {"image": (IMAGE, np.uint8), "label": ((), np.int32), "index": ((), np.int32)}
        batch = {
            key: jax.ShapeDtypeStruct((BATCH, *shape), dtype, sharding=batch_sharding(mesh))
            for key, (shape, dtype) in kinds.items()
        }
        seed = jax.ShapeDtypeStruct((), np.uint32)
        jax.jit(lambda *args: train_step(training, *args), donate_argnums=0).lower(
            state, batch, seed
        ).compile()


if __name__ == "__main__":
    main()
