"""Pretraining: `python -m contrastive_jax.main --config=configs/selfcon_s.py --workdir=runs/a`.

Starting the same command again resumes. Any field is overridable: `--config.batch_size=512`.
"""

import functools
import pathlib
from collections.abc import Iterator

import jax
from absl import flags
from jax.sharding import Mesh

from contrastive_jax import commands
from contrastive_jax.data import resident
from contrastive_jax.data.batches import check_batch_size, global_batch
from contrastive_jax.data.dataset import Dataset
from contrastive_jax.data.order import Order
from contrastive_jax.errors import InputError
from contrastive_jax.evaluate.monitor import Look, make_monitor, verdict
from contrastive_jax.experiment import Experiment, assemble
from contrastive_jax.methods import Batch
from contrastive_jax.parallel.mesh import batch_sharding, data_devices, make_mesh
from contrastive_jax.train.checkpoint import Checkpoints
from contrastive_jax.train.feed import FromDevice, FromHost, steps_at_once
from contrastive_jax.train.gradient import check_micro_batches
from contrastive_jax.train.loop import train
from contrastive_jax.train.metrics import MetricWriter
from contrastive_jax.train.run_directory import RunDirectory
from contrastive_jax.train.state import TrainState, create
from contrastive_jax.train.step import make_dispatch, make_step

WORKDIR = flags.DEFINE_string("workdir", "", "Run directory; new, or of the same config to resume.")


def pretrain() -> None:
    if not WORKDIR.value:
        raise InputError("give a run directory: --workdir=runs/a, for example.")
    experiment = assemble(commands.plain_config())
    if experiment.run.cohort_devices > 1 and experiment.config["method"]["name"] != "mcl_sharded":
        raise InputError(
            "cohort_devices above 1 spreads the networks of method mcl_sharded, and of no other."
        )
    run = RunDirectory(pathlib.Path(WORKDIR.value))
    run.check(experiment.config)
    dataset = experiment.load(experiment.data.train_split)
    check_batch_size(experiment.run.batch_size, len(dataset.labels), jax.device_count())
    run.open(experiment.config)
    fit(experiment, dataset, run)


def fit(experiment: Experiment, dataset: Dataset, run: RunDirectory) -> None:
    """Trains from the newest checkpoint of `run`, or from the start, to the end."""
    mesh = make_mesh(cohort=experiment.run.cohort_devices)
    parts = experiment.run
    order = Order(experiment.sampler, dataset.labels, parts.seed, parts.batch_size)
    total = experiment.total_steps(len(order.labels))
    method = experiment.method(num_classes=dataset.num_classes, labels=order.labels)
    schedule = experiment.learning_rate_schedule(order.steps_per_epoch)
    optimizer = experiment.transform(method, schedule)

    state = create(method, optimizer, parts.seed, experiment.view_shape(dataset), mesh)
    check_micro_batches(parts.micro_batches, parts.batch_size, data_devices(mesh), state.extra)
    run.write_parameters(state.params)
    save_every, look_every = (
        round(epochs * order.steps_per_epoch)
        for epochs in (experiment.checkpoint.every_epochs, experiment.monitor.every_epochs)
    )
    checkpoints = Checkpoints(
        run.checkpoints, every_steps=max(1, save_every), keep=experiment.checkpoint.keep
    )
    if checkpoints.latest() is not None:
        state = checkpoints.restore(state)
    if state.step >= total:
        print(f"{run.path} is finished: all {total} steps are done.")
        return
    periods = [max(1, save_every), experiment.log.every_steps, *([look_every] if look_every else [])]
    options = dict(seed=parts.seed, mesh=mesh, micro_batches=parts.micro_batches)
    compiled = (method, optimizer, schedule, experiment.recipe)
    if resident.fits(dataset.images.nbytes, mesh):
        at_once = run.resolved("steps_at_once", steps_at_once(*periods))
        feed = FromDevice(
            make_dispatch(*compiled, **options), resident.resident(dataset, mesh), order.at, at_once
        )
    else:
        feed = FromHost(
            make_step(*compiled, **options), lambda first: batches_from(dataset, order, first, mesh)
        )
    monitor = make_monitor(experiment.monitor, method, experiment.recipe, dataset, parts.seed, mesh)
    writer = MetricWriter(run.path, first=int(state.step), total=total, batch_size=parts.batch_size)
    try:
        report = train(
            feed,
            state,
            total_steps=total,
            log_every=experiment.log.every_steps,
            monitor_every=look_every,
            monitor=functools.partial(look, monitor, run),
            checkpoints=checkpoints,
            writer=writer,
        )
    finally:
        checkpoints.close()
        seconds = writer.close()
    health = verdict(report)
    epochs = total / order.steps_per_epoch
    run.write_summary(
        {"steps": total, "epochs": epochs, "seconds": seconds, "health": health, "final": report}
    )


def look(monitor: Look, run: RunDirectory, state: TrainState) -> dict[str, float]:
    """The monitor's figures; a collapse is said in words."""
    figures = monitor(state)
    words = verdict(figures)
    if run.writes and words != "healthy":
        print(f"step {int(state.step)}: warning: {words}.", flush=True)
    return figures


def batches_from(dataset: Dataset, order: Order, first: int, mesh: Mesh) -> Iterator[Batch]:
    step = first
    while True:
        yield global_batch(dataset, order.at(step), batch_sharding(mesh))
        step += 1


if __name__ == "__main__":
    commands.run(pretrain)
