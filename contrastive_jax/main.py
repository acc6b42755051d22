"""Pretraining: `python -m contrastive_jax.main --config=configs/selfcon_s.py --workdir=runs/a`.

Starting the same command again resumes. Any field is overridable: `--config.batch_size=512`.
"""

import sys

if __name__ == "__main__":  # first, so that a package that is missing is reported in a sentence
    from contrastive_jax.__main__ import main

    sys.exit(main(["pretrain", *sys.argv[1:]]))

import dataclasses
import functools
import pathlib
from collections.abc import Generator
from typing import Any

import jax
from jax.sharding import Mesh

from contrastive_jax.config.flags import Command, Flag
from contrastive_jax.config.sections import PRETRAINING
from contrastive_jax.data import resident
from contrastive_jax.data.batches import check_batch_size
from contrastive_jax.data.encoded import ImageSet
from contrastive_jax.data.facts import facts
from contrastive_jax.data.order import Order
from contrastive_jax.data.split import MissingSplit
from contrastive_jax.data.stream import Stream
from contrastive_jax.errors import InputError, Interrupted, Stopped
from contrastive_jax.evaluate.monitor import Look, make_monitor, verdict
from contrastive_jax.experiment import Experiment, assemble
from contrastive_jax.methods import Method
from contrastive_jax.parallel.mesh import batch_sharding, data_devices, make_mesh
from contrastive_jax.train import schedules
from contrastive_jax.train.checkpoint import Checkpoints
from contrastive_jax.train.feed import dispatches, steps_at_once
from contrastive_jax.train.gradient import check_micro_batches
from contrastive_jax.train.loop import train
from contrastive_jax.train.metrics import MetricWriter
from contrastive_jax.train.run_directory import RunDirectory, parameter_count
from contrastive_jax.train.state import TrainState, create
from contrastive_jax.train.step import Step, Training, compile_step, compile_steps
from contrastive_jax.train.stop import StopRequest


def pretrain(config: dict[str, Any], *, workdir: str) -> None:
    """Trains the method of `config` in the run directory `workdir`, from its newest checkpoint if there is one."""
    experiment = assemble(config)
    run = RunDirectory(pathlib.Path(workdir))
    images = experiment.open(experiment.data.train_split)
    check_batch_size(experiment.run.batch_size, len(images), jax.device_count())
    method = experiment.method(num_classes=images.num_classes, labels=images.labels)
    if method.needs_labels and not images.labelled:
        raise InputError(
            f"'{images.name}' has no labels, and this method learns from labels: choose another method."
        )
    check_cohort(experiment, method)
    run.check(experiment.config)  # after what another directory would not mend
    warn_of_missing_test(experiment, images, run)
    with run.open(experiment.config):
        run.resolved("images", dataclasses.asdict(facts(images)))
        fit(experiment, method, images, run)


def warn_of_missing_test(experiment: Experiment, images: ImageSet, run: RunDirectory) -> None:
    """Says before the first start that nothing is left to judge the encoder with, while it can still be held out."""
    if not run.writes or run.checkpoints.exists() or not images.labelled:
        return
    try:
        experiment.open(experiment.data.test_split)
    except MissingSplit as error:
        train = experiment.data.train_split
        part = (
            ""
            if "[" in train
            else f" Hold a part out with --config.data.train_split='{train}[:90%]'"
            f" --config.data.test_split='{train}[90%:]', or judge on another set later (--config.source)."
        )
        print(f"warning: no test images: in '{images.name}' {error}{part}", flush=True)


def check_cohort(experiment: Experiment, method: Method) -> None:
    """Refuses what cannot be spread over groups of devices."""
    if experiment.run.cohort_devices == 1:
        return
    if not method.stacked:
        raise InputError(
            "cohort_devices above 1 spreads the networks of method mcl_sharded, and of no other."
        )
    if experiment.run.micro_batches > 1:
        raise InputError("micro_batches and cohort_devices cannot both be above 1: set one of them to 1.")


def fit(experiment: Experiment, method: Method, images: ImageSet, run: RunDirectory) -> None:
    """Trains from the newest checkpoint of `run`, or from the start, to the end."""
    mesh = make_mesh(cohort=experiment.run.cohort_devices)
    fields = experiment.run
    order = Order(experiment.sampler, images.labels, fields.seed, fields.batch_size)
    total = experiment.total_steps(len(images))
    check_micro_batches(fields.micro_batches, fields.batch_size, data_devices(mesh))
    periods = experiment.periods(order.steps_per_epoch)
    checkpoints = Checkpoints(run.checkpoints, every_steps=periods.save, keep=experiment.checkpoint.keep)
    if (checkpoints.latest() or 0) >= total:
        print(
            f"{run.path} is finished: all {total} steps are done. More --config.epochs are another run, in another"
            " --workdir."
        )
        return

    training = training_of(experiment, method, images, order, mesh)
    if run.writes and (words := schedules.trap(training.schedule, experiment.peak_learning_rate, total)):
        print(f"warning: {words}", flush=True)
    state = create(method, training.optimizer, fields.seed, experiment.view_shape(images), mesh)
    run.write_parameters(state.params)
    if run.writes:
        print(
            f"{len(images):,} images of '{images.name}', {parameter_count(state.params):,} parameters,"
            f" {total:,} steps of {fields.batch_size}. The first step compiles, which takes a while.",
            flush=True,
        )
    monitor = make_monitor(experiment.monitor, method, training.recipe, images, fields.seed, mesh)
    untrained = monitor(state) if periods.look else {}
    if checkpoints.latest() is not None:
        state = checkpoints.restore(state)

    step, batches = open_feed(experiment, training, images, order, run, first=int(state.step), total=total)
    writer = MetricWriter(run.path, first=int(state.step), total=total, batch_size=fields.batch_size)
    try:
        with StopRequest() as stop:
            state, report = train(
                step,
                batches,
                state,
                total_steps=total,
                periods=periods,
                monitor=functools.partial(look, monitor, untrained, run),
                checkpoints=checkpoints,
                writer=writer,
                stop=stop,
            )
            if int(state.step) < total:
                raise Stopped(interrupted(checkpoints), stop.status)
    except KeyboardInterrupt:
        raise Interrupted(interrupted(checkpoints)) from None
    finally:
        batches.close()
        checkpoints.close()
        seconds = writer.close()
    health = verdict(report, untrained)
    if run.writes and health not in ("", "healthy"):
        print(f"warning: {health}.")
    epochs = total / order.steps_per_epoch
    summary = {"steps": total, "epochs": epochs, "seconds": seconds, "health": health}
    run.write_summary(summary | {"untrained": untrained, "final": report})


def training_of(
    experiment: Experiment, method: Method, images: ImageSet, order: Order, mesh: Mesh
) -> Training:
    """What the step of the experiment is made of, for these images."""
    schedule = experiment.learning_rate_schedule(order.steps_per_epoch)
    optimizer = experiment.transform(method, schedule)
    recipe = experiment.recipe_for(images)
    return Training(method, optimizer, schedule, recipe, mesh, experiment.run.micro_batches)


def interrupted(checkpoints: Checkpoints) -> str:
    """What the user is told after Ctrl-C."""
    checkpoints.wait()
    step = checkpoints.latest()
    if step is None:
        return "interrupted before the first checkpoint: nothing was kept."
    return f"interrupted: the same command goes on from step {step}."


def open_feed(
    experiment: Experiment,
    training: Training,
    images: ImageSet,
    order: Order,
    run: RunDirectory,
    *,
    first: int,
    total: int,
) -> tuple[Step, Generator[Any]]:
    """The compiled step and its batches from step `first` on, in the pipeline that the config names or the size of the
    images suggests.
    """
    data, seed, mesh = experiment.data, experiment.run.seed, training.mesh
    if data.pipeline == "resident" or (data.pipeline == "auto" and resident.fits(images.nbytes, mesh)):
        stored = resident.resident(images.in_memory(), mesh)
        periods = experiment.periods(order.steps_per_epoch)
        at_once = run.resolved("steps_at_once", steps_at_once(*periods.all()))
        batches = dispatches(order.at, first=first, total=total, at_once=at_once)
        return compile_steps(training, stored, seed=seed), batches
    stream = Stream(images, order.at, order.batch_size, batch_sharding(mesh), data.workers)
    return compile_step(training, seed=seed), stream.batches(first)


def look(
    monitor: Look, untrained: dict[str, float], run: RunDirectory, state: TrainState
) -> dict[str, float]:
    """The monitor's figures. Reports a collapse immediately, what may still improve only at the end."""
    figures = monitor(state)
    words = verdict(figures, untrained)
    if run.writes and "collapsed" in words:
        print(f"step {int(state.step)}: warning: {words}.", flush=True)
    return figures


COMMAND = Command(
    "pretrain",
    __doc__,
    pretrain,
    flags=(
        Flag(
            "workdir",
            "",
            "The run directory, such as runs/a: a new one, or that of the same config to resume.",
            required=True,
        ),
    ),
    config=PRETRAINING,
)
