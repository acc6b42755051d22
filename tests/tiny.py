"""The smallest experiment of each method: a ResNet-8 of width 4 on 8x8 digits."""

import functools
import pkgutil

import jax
import numpy as np

from contrastive_jax import methods
from contrastive_jax.config.presets import pretraining
from contrastive_jax.data.batches import global_batch
from contrastive_jax.data.sources import load
from contrastive_jax.experiment import Experiment, assemble
from contrastive_jax.parallel.mesh import batch_sharding, make_mesh
from contrastive_jax.train.state import TrainState, create
from contrastive_jax.train.step import make_step, make_update

METHODS = [m.name for m in pkgutil.iter_modules(methods.__path__) if not m.name.startswith("_")]
BATCH = 16
SMALL = {"queue_size": 32, "negatives": 16, "teacher_momentum": 0.9, "predictor_hidden": 16}
"""Fields that are set where a method has them."""


def experiment(method: str, /, **top) -> Experiment:
    config = pretraining(method, "digits,resnet8")
    config.network.update(width=4, subnetworks=("block1",), subnetwork="fc")
    config.head.dim = 8
    config.method.update({field: value for field, value in SMALL.items() if field in config.method})
    config.epochs = 1.0
    config.batch_size = BATCH
    config.learning_rate.peak = 0.05
    config.update(top)
    return assemble(config.to_dict())


@functools.cache
def session(name: str, devices: int, seed: int = 0) -> "Session":
    """One session per combination, so that its step is compiled once for all tests."""
    return Session(name, devices, seed)


class Session:
    """A method, its compiled step on some devices, and its batches."""

    def __init__(self, name: str, devices: int, seed: int, /, *, cohort: int = 1, **top):
        self.parts = experiment(name, seed=seed, **top)
        self.mesh = make_mesh(jax.devices()[:devices], cohort=cohort)
        self.data = load("digits", "train")
        self.method = self.parts.method(num_classes=self.data.num_classes, labels=self.data.labels)
        self.schedule = self.parts.learning_rate_schedule(10)
        self.optimizer = self.parts.transform(self.method, self.schedule)
        parts = (self.method, self.optimizer, self.schedule, self.parts.recipe)
        micro_batches = self.parts.run.micro_batches
        self.step = make_step(*parts, seed=seed, mesh=self.mesh, micro_batches=micro_batches)
        self.raw_step = make_update(*parts, mesh=self.mesh, micro_batches=1)

    def state(self) -> TrainState:
        return create(self.method, self.optimizer, self.parts.run.seed, (8, 8, 1), self.mesh)

    def batch(self, number: int):
        rows = np.arange(number * BATCH, (number + 1) * BATCH)
        return global_batch(self.data, rows, batch_sharding(self.mesh))

    def run(self, steps: int) -> tuple[TrainState, list[dict]]:
        state, metrics = self.state(), []
        for number in range(steps):
            state, found = self.step(state, self.batch(number))
            metrics.append(jax.device_get(found))
        return state, metrics
