"""What a train step of a ResNet on CIFAR costs on an H100: kernels and bytes through its memory, without a GPU.

    pip install --no-deps jax-cuda13-pjrt==$JAX jax-cuda13-plugin==$JAX   # of the installed jax; 383 MB
    python benchmarks/h100_train_step.py resnet18 512
    python benchmarks/h100_train_step.py resnet50 256 --loss supcon --heaviest 20
    python benchmarks/h100_train_step.py gate     fails where a figure is 3% above the recorded one

The step: bfloat16, forward, backward, SGD with momentum and weight decay; no augmentation, no logging. `batch` counts
images as the network sees them: views. RESULTS.md has the recorded figures and what was tried.
"""

import argparse
import os
import sys

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_gpu_autotune_level=0"

import jax
import jax.numpy as jnp
import optax
from h100_aot import Cost, compile_for_h100, heaviest

from contrastive_jax.methods.cross_entropy import CrossEntropy
from contrastive_jax.methods.supcon import SupCon
from contrastive_jax.models import network
from contrastive_jax.models.heads import ProjectionHead
from contrastive_jax.train.gradient import Keys, whole
from contrastive_jax.train.optimizers import SGD
from contrastive_jax.train.state import TrainState

RECORDED = {("resnet18", 512): (294, 19.68), ("resnet50", 256): (748, 109.62)}
"""Kernels, and MB per image, of the step with cross-entropy: jax 0.10.2."""
TOLERANCE = 1.03


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("network", help="its published name, or `gate`")
    parser.add_argument("batch", type=int, nargs="?", default=512)
    parser.add_argument("--loss", choices=("cross_entropy", "supcon"), default="cross_entropy")
    parser.add_argument("--heaviest", type=int, default=0, help="list so many of the kernels that move most")
    options = parser.parse_args()
    if options.network == "gate":
        sys.exit(max([gate(*case) for case in RECORDED]))
    cost = train_step(options.network, options.batch, options.loss)
    report(options.network, options.batch, cost)
    for kind, (count, moved) in sorted(cost.by_kind.items(), key=lambda item: -item[1][1]):
        print(f"{count:6d} {moved / options.batch / 1e6:8.2f} MB/img  {kind}")
    for moved, kernel in heaviest(cost.hlo)[: options.heaviest]:
        print(f"{moved / options.batch / 1e3:10.1f} kB/img  {kernel}")


def gate(name: str, batch: int) -> bool:
    """Whether kernels or bytes are more than TOLERANCE above the record."""
    cost = train_step(name, batch, "cross_entropy")
    report(name, batch, cost)
    kernels, megabytes = RECORDED[name, batch]
    return cost.kernels > TOLERANCE * kernels or cost.hbm_bytes / batch / 1e6 > TOLERANCE * megabytes


def report(name: str, batch: int, cost: Cost) -> None:
    print(
        f"{name}, {batch} images, jax {jax.__version__}: {cost.kernels} kernels, "
        f"{cost.hbm_bytes / batch / 1e6:.2f} MB/img, {cost.temp_bytes / 2**30:.2f} GiB temporary"
    )


def train_step(name: str, batch: int, loss: str) -> Cost:
    """Compiles one step of `batch` images of CIFAR's size."""
    encoder = network(name, dtype=jnp.bfloat16)
    if loss == "supcon":
        method = SupCon(encoder=encoder, head=ProjectionHead(dtype=jnp.bfloat16))
    else:
        method = CrossEntropy(encoder=encoder, num_classes=100)
    optimizer = SGD(momentum=0.9, weight_decay=1e-4).transform(lambda step: 0.1)
    key = jax.random.key(0)
    shape = method.views, 32, 32, 3
    made = jax.eval_shape(lambda: method.init(key, jnp.zeros((2, *shape))))
    momentum = jax.eval_shape(optimizer.init, made[0])
    state = TrainState(jax.ShapeDtypeStruct((), jnp.int32), *made, momentum)
    images = batch // method.views
    data = {
        "view": jax.ShapeDtypeStruct((images, *shape), jnp.float32),
        "label": jax.ShapeDtypeStruct((images,), jnp.int32),
        "index": jax.ShapeDtypeStruct((images,), jnp.int32),
    }

    def step(state, data):
        found, gradient = whole(method, state, data, Keys(key, key))
        updates, momentum = optimizer.update(gradient, state.optimizer_state, state.params)
        params = optax.apply_updates(state.params, updates)
        new = TrainState(state.step + 1, params, found.collections, found.method_state, momentum)
        return new, {"loss": found.loss, **found.metrics}

    return compile_for_h100(step, state, data, donate_argnums=(0,))


if __name__ == "__main__":
    main()
