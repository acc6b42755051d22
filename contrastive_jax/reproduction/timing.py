"""What a run costs on this machine, from real steps of it."""

import pathlib
import tempfile
import time
from collections.abc import Mapping
from typing import Any

import jax

from contrastive_jax import linear_eval, main
from contrastive_jax.data.batches import check_batch_size
from contrastive_jax.data.order import Order
from contrastive_jax.experiment import Experiment
from contrastive_jax.parallel.mesh import make_mesh
from contrastive_jax.reproduction import budget
from contrastive_jax.reproduction.budget import Costs
from contrastive_jax.train.run_directory import RunDirectory
from contrastive_jax.train.state import create

TIMED_SECONDS = 10.0
"""Steps are timed for this long, and one at least."""


def measure(experiment: Experiment, evaluation: Mapping[str, Any]) -> Costs:
    """Times real steps of the experiment, on its data and in its pipeline; nothing of them is kept."""
    began = time.perf_counter()
    images = experiment.open(experiment.data.train_split)
    check_batch_size(experiment.run.batch_size, len(images), jax.device_count())
    mesh = make_mesh(cohort=experiment.run.cohort_devices)
    fields = experiment.run
    order = Order(experiment.sampler, images.labels, fields.seed, fields.batch_size)
    method = experiment.method(num_classes=images.num_classes, labels=images.labels)
    training = main.training_of(experiment, method, images, order, mesh)
    state = create(method, training.optimizer, fields.seed, experiment.view_shape(images), mesh)
    total = experiment.total_steps(len(images))
    with tempfile.TemporaryDirectory() as folder:
        run = RunDirectory(pathlib.Path(folder))
        step, batches = main.open_feed(experiment, training, images, order, run, first=0, total=total)
        state, metrics = step(state, next(batches))
        jax.block_until_ready(metrics)
        timed = time.perf_counter()
        start, steps = timed - began, 0
        for batch in batches:
            state, metrics = step(state, batch)
            jax.block_until_ready(metrics)
            steps += len(metrics["loss"])
            if time.perf_counter() - timed > TIMED_SECONDS:
                break
        seconds = (time.perf_counter() - timed) / max(steps, 1)
        batches.close()
    settings, protocol = linear_eval.parts(dict(evaluation))
    train, test = judged_images(experiment, settings.source, len(images))
    after = budget.evaluation_seconds(
        step=seconds,
        batch_size=fields.batch_size,
        views=method.views,
        train=train,
        test=test,
        epochs=protocol.epochs,
        rates=len(protocol.learning_rates),
        augmented=settings.linear and protocol.augment != "none",
    )
    spent = time.perf_counter() - began
    return Costs(spent, start, seconds, order.steps_per_epoch, after)


def judged_images(experiment: Experiment, source: str, train: int) -> tuple[int, int]:
    """Numbers of images that the evaluation trains and tests on; those of the run's data set if it has no other."""
    if source:
        return train, train  # opening another set only to count it is not worth it
    return train, len(experiment.open(experiment.data.test_split))
