"""How much of a run's time is the model's: epochs of training beside the bare step; and the time to the first step.

    python benchmarks/train_step.py                   end to end over model only
    python benchmarks/train_step.py first             from the command to the first step, cold and with the cache

`End to end` is the training loop of `contrastive_jax.main` on device-resident data: augmentation, loss, gradient
norms, logging, the monitor and a checkpoint once per epoch. `Model only` is the same network, loss and optimizer on
one batch of views that are there already. Rounds of both alternate in one process; the ratio of medians is printed.
"""

import argparse
import functools
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import jax
import jax.numpy as jnp
import optax

from contrastive_jax.augment import make_views
from contrastive_jax.config.presets import pretraining
from contrastive_jax.data.order import Order
from contrastive_jax.data.resident import resident, take
from contrastive_jax.evaluate.monitor import make_monitor
from contrastive_jax.experiment import Experiment, assemble
from contrastive_jax.parallel.mesh import make_mesh
from contrastive_jax.train.checkpoint import Checkpoints
from contrastive_jax.train.feed import dispatches, steps_at_once
from contrastive_jax.train.gradient import Keys, whole
from contrastive_jax.train.loop import train
from contrastive_jax.train.metrics import MetricWriter
from contrastive_jax.train.state import TrainState, create
from contrastive_jax.train.step import Training, compile_steps
from contrastive_jax.train.stop import StopRequest


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("what", nargs="?", default="ratio", choices=("ratio", "first"))
    parser.add_argument("--network", default="resnet18")
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--stem", default="patch2")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    first_step() if options.what == "first" else ratio(options)


def ratio(options: argparse.Namespace) -> None:
    experiment = described(options)
    images = experiment.open("train").in_memory()
    mesh = make_mesh()
    order = Order(experiment.sampler, images.labels, 0, options.batch)
    method = experiment.method(num_classes=images.num_classes, labels=images.labels)
    schedule = experiment.learning_rate_schedule(order.steps_per_epoch)
    optimizer = experiment.transform(method, schedule)
    fresh = functools.partial(create, method, optimizer, 0, experiment.view_shape(images), mesh)
    periods = experiment.periods(order.steps_per_epoch)
    data = resident(images, mesh)
    step = compile_steps(Training(method, optimizer, schedule, experiment.recipe, mesh), data, seed=0)
    at_once = steps_at_once(*periods.all())
    look = make_monitor(experiment.monitor, method, experiment.recipe, images, 0, mesh)
    bare = jax.jit(functools.partial(model_only, method, optimizer), donate_argnums=0)
    with jax.set_mesh(mesh):
        batch = take(data, jnp.asarray(order.at(0)), mesh)
        batch["view"] = make_views(experiment.recipe, batch["image"], jax.random.key(0), method.views)

    with tempfile.TemporaryDirectory() as folder, StopRequest() as stop:
        path = pathlib.Path(folder)
        checkpoints = Checkpoints(path / "checkpoints", every_steps=order.steps_per_epoch)
        writer = MetricWriter(path, first=0, total=10**6, batch_size=options.batch)
        kept: dict[str, TrainState] = {"state": fresh()}

        def epoch(number: int) -> float:
            started = time.perf_counter()
            first, total = (n * order.steps_per_epoch for n in (number, number + 1))
            kept["state"], _ = train(
                step,
                dispatches(order.at, first=first, total=total, at_once=at_once),
                kept.pop("state"),
                total_steps=total,
                periods=periods,
                monitor=look,
                checkpoints=checkpoints,
                writer=writer,
                stop=stop,
            )
            return time.perf_counter() - started

        def bare_epoch() -> float:
            state = fresh()
            with jax.set_mesh(mesh):
                jax.block_until_ready(state := bare(state, batch))
                started = time.perf_counter()
                for _ in range(order.steps_per_epoch):
                    state = bare(state, batch)
                jax.block_until_ready(state)
            return time.perf_counter() - started

        epoch(0)  # compiles
        rounds = [(bare_epoch(), epoch(i + 1)) for i in range(options.rounds)]
        checkpoints.close()
        writer.close()
    model, whole_run = (statistics.median(times) for times in zip(*rounds))
    print(f"{jax.devices()[0].device_kind}, jax {jax.__version__}")
    print(f"{order.steps_per_epoch} steps of {options.batch} images x {method.views} views")
    for bare_time, full_time in rounds:
        print(
            f"model only {bare_time:.1f} s, end to end {full_time:.1f} s, ratio {bare_time / full_time:.3f}"
        )
    print(f"median: {model:.1f} s over {whole_run:.1f} s = {model / whole_run:.3f}")


def model_only(method, optimizer, state: TrainState, batch) -> TrainState:
    """Networks, loss, gradient and update, and nothing else."""
    keys = Keys(*jax.random.split(jax.random.key(0)))
    found, gradient = whole(method, state, batch, keys)
    updates, own = optimizer.update(gradient, state.optimizer_state, state.params)
    params = optax.apply_updates(state.params, updates)
    moved = method.after_update(params, found.method_state, state.step)
    return TrainState(state.step + 1, params, found.collections, moved, own)


def described(options: argparse.Namespace) -> Experiment:
    config = pretraining("supcon", f"fashion_mnist,{options.network}")
    config.update(
        network={"width": options.width, "stem": options.stem},
        batch_size=options.batch,
        epochs=100.0,
        checkpoint={"every_epochs": 1.0},
    )
    return assemble(config.to_dict())


def first_step() -> None:
    """The quickstart's command with an empty compilation cache, and again with the filled one."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {
            "JAX_COMPILATION_CACHE_DIR": f"{folder}/cache",
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }
        for name in ("cold", "warm"):
            workdir = pathlib.Path(folder, name)
            command = [sys.executable, "-m", "contrastive_jax.main", "--config=configs/quickstart.py"]
            command += [f"--workdir={workdir}", "--config.log.every_steps=1", "--config.epochs=0.02"]
            started = time.perf_counter()
            process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
            while not logged(workdir / "metrics.jsonl"):
                if process.poll() not in (None, 0):
                    raise SystemExit(f"the command failed: {' '.join(command)}")
                time.sleep(0.02)
            print(
                f"{name}: {time.perf_counter() - started:.1f} s from the command to the first logged step",
                flush=True,
            )
            process.wait()


def logged(file: pathlib.Path) -> bool:
    if not file.exists():
        return False
    complete = file.read_text().split("\n")[:-1]
    return bool(complete) and json.loads(complete[0])["step"] >= 1


if __name__ == "__main__":
    main()
