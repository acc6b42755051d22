"""From a plain nested config (a run's `config.json`, or the command line's) to the parts of an experiment."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Int

from contrastive_jax.augment import Recipe, canvas_side, on_canvas, view_shape
from contrastive_jax.config.registry import Registry
from contrastive_jax.config.schema import build
from contrastive_jax.data.encoded import ImageSet
from contrastive_jax.data.facts import ImageFacts
from contrastive_jax.data.order import steps_per_epoch
from contrastive_jax.data.samplers import Sampler
from contrastive_jax.data.sources import open_split
from contrastive_jax.errors import InputError, nearest
from contrastive_jax.evaluate.monitor import Monitor
from contrastive_jax.methods import Method
from contrastive_jax.models import ENCODERS
from contrastive_jax.models.heads import ProjectionHead
from contrastive_jax.train import optimizers, schedules
from contrastive_jax.train.loop import Periods


@dataclasses.dataclass(frozen=True)
class Run:
    """Top-level fields of a config."""

    seed: int = 0
    """Seed of all random draws: initial parameters, order, augmentation, and those of the method."""
    epochs: float = 1000.0
    """Passes over the training set; fractions are allowed."""
    batch_size: int = 256
    """Images per step over all devices; every image gives as many views as the method asks for."""
    micro_batches: int = 1
    """Parts in which every device embeds its images, to save memory; the loss is still that of the whole batch."""
    cohort_devices: int = 1
    """Groups of devices among which the networks of a sharded cohort are spread (method `mcl_sharded`)."""
    precision: str = "auto"
    """`float32`, `bfloat16` (computation only), or `auto`: bfloat16 where the hardware has it."""

    def __post_init__(self):
        if self.epochs <= 0:
            raise InputError(f"config.epochs is {self.epochs}: give a positive number.")
        if self.batch_size < 1:
            raise InputError(f"config.batch_size is {self.batch_size}; it must be at least 1.")
        if not 0 <= self.seed < 2**32:
            raise InputError(f"config.seed is {self.seed}: give a number from 0 to 4294967295.")
        if self.precision not in PRECISIONS:
            raise InputError(f"config.precision is '{self.precision}': {nearest(self.precision, PRECISIONS)}")


@dataclasses.dataclass(frozen=True)
class Data:
    """Where the images come from (see `data.sources`) and how they reach the step."""

    source: str = "tfds:cifar10"
    """`scheme:location`, or the import path of a function of yours."""
    data_dir: str = ""
    """Folder of prepared or unpacked data sets; empty: the source's default."""
    train_split: str = "train"
    """`train`, `test`, or part of one: `train[:90%]`."""
    test_split: str = "test"
    """What `linear_eval` tests on."""
    image_size: int = 0
    """Longest side that pictures are decoded to, before augmentation. 0: their own size if they are small and of one
    size, else 1.5 to 2 times the side of a view, by the recipe's smallest crops (see `augment.recipe.canvas_side`)."""
    pipeline: str = "auto"
    """`resident`: in device memory; `stream`: from the host while the device computes; `auto`: by size."""
    workers: int = -1
    """Processes that decode for the stream; -1: one per core for pictures, none for arrays."""

    def __post_init__(self):
        if self.pipeline not in PIPELINES:
            raise InputError(
                f"config.data.pipeline is '{self.pipeline}': {nearest(self.pipeline, PIPELINES)}"
            )


@dataclasses.dataclass(frozen=True)
class LearningRate:
    """Peak of the schedule and how it grows with the batch: see `schedules.scaled_peak`."""

    peak: float = 0.5
    """The learning rate at the reference batch; without scaling, the peak itself."""
    scaling: str = "none"
    """`none`, `linear` (peak * batch_size / reference_batch) or `sqrt` (its square root)."""
    reference_batch: int = 256
    """Batch size for which `peak` is meant."""


@dataclasses.dataclass(frozen=True)
class Log:
    """How often metrics are reported."""

    every_steps: int = 50
    """Steps between lines of `metrics.jsonl`, each a mean over the interval; 0: only where a checkpoint or the monitor
    needs one."""

    def __post_init__(self):
        if self.every_steps < 0:
            raise InputError(f"log.every_steps is {self.every_steps}: give 0 (no lines of its own) or more.")


@dataclasses.dataclass(frozen=True)
class CheckpointPolicy:
    """How often checkpoints are saved, and how many are kept."""

    every_epochs: float = 10.0
    """Epochs between checkpoints; the last step, or that at which a signal stops the run, is always saved.
    0: only that."""
    keep: int = 2
    """Newest checkpoints that are kept."""

    def __post_init__(self):
        if not 0 <= self.every_epochs < math.inf:
            raise InputError(
                f"checkpoint.every_epochs is {self.every_epochs}: give 0 (only at the end) or more."
            )
        if self.keep < 1:
            raise InputError(f"checkpoint.keep is {self.keep}: keep at least the newest checkpoint, with 1.")


PIPELINES = ("auto", "resident", "stream")
PRECISIONS = ("auto", "float32", "bfloat16")
SECTIONS = {
    "data": Data,
    "augment": Recipe,
    "head": ProjectionHead,
    "learning_rate": LearningRate,
    "log": Log,
    "monitor": Monitor,
    "checkpoint": CheckpointPolicy,
}
"""Sections whose class is fixed."""
CHOICES = {
    "network": ENCODERS,
    "method": Registry("contrastive_jax.methods", "method", base=Method),
    "optimizer": Registry("contrastive_jax.train.optimizers", "optimizer"),
    "schedule": Registry("contrastive_jax.train.schedules", "schedule"),
    "sampler": Registry("contrastive_jax.data.samplers", "sampler"),
}
"""Sections whose class is named by their field `name`."""


def section_class(section: str, fields: Mapping[str, Any]) -> type:
    """The class whose fields the section holds."""
    return CHOICES[section].find(fields["name"]) if section in CHOICES else SECTIONS[section]


@dataclasses.dataclass(frozen=True)
class Experiment:
    """The parts of a run that a config describes, still without images, mesh or state."""

    config: Mapping[str, Any]
    run: Run
    data: Data
    sampler: Sampler
    recipe: Recipe
    learning_rate: LearningRate
    schedule: Any
    optimizer: Any
    log: Log
    monitor: Monitor
    checkpoint: CheckpointPolicy

    def open(self, split: str) -> ImageSet:
        """One split of the data set, e.g. `data.train_split`; encoded where its source keeps it so."""
        data = self.data
        return open_split(data.source, split, data.data_dir, data.image_size, canvas_side(self.recipe))

    def recipe_for(self, dataset: ImageSet | ImageFacts) -> Recipe:
        """The recipe; where pictures vary in size, with the size of its views."""
        return on_canvas(self.recipe, dataset.image_shape[0]) if dataset.varies else self.recipe

    def method(self, *, num_classes: int, labels: Int[np.ndarray, " examples"]) -> Method:
        """The method with its networks, for a training set with `num_classes` classes and these labels.

        `encoder`, `head`, `num_classes`, `labels`, `examples` (their number), `batch_size` and `total_steps` are passed
        to the method if it declares the field.
        """
        dtype = compute_dtype(self.run.precision)
        return self._part(
            "method",
            encoder=self._part("network", dtype=dtype),
            head=self._part("head", dtype=dtype),
            num_classes=num_classes,
            labels=labels,
            examples=len(labels),
            batch_size=self.run.batch_size,
            total_steps=self.total_steps(len(labels)),
        )

    def total_steps(self, examples: int) -> int:
        """Updates of the whole run."""
        return max(1, round(self.run.epochs * steps_per_epoch(examples, self.run.batch_size)))

    def transform(self, method: Method, schedule: optax.Schedule) -> optax.GradientTransformation:
        """The optimizer of the method's parameters."""
        transform = self.optimizer.transform(schedule)
        return optimizers.per_network(transform) if method.stacked else transform

    def periods(self, steps_per_epoch: int) -> Periods:
        """The config's periods, which are in epochs, in steps."""

        def steps(epochs: float) -> int:
            return max(1, round(epochs * steps_per_epoch)) if epochs else 0

        return Periods(
            log=self.log.every_steps,
            save=steps(self.checkpoint.every_epochs),
            look=steps(self.monitor.every_epochs),
        )

    def view_shape(self, dataset: ImageSet | ImageFacts) -> tuple[int, int, int]:
        """Height, width and channels of what the networks see."""
        return view_shape(self.recipe_for(dataset), *dataset.image_shape)

    @property
    def peak_learning_rate(self) -> float:
        """The peak after scaling with the batch."""
        rate = self.learning_rate
        return schedules.scaled_peak(
            rate.peak, rate.scaling, batch_size=self.run.batch_size, reference=rate.reference_batch
        )

    def learning_rate_schedule(self, steps_per_epoch: float) -> optax.Schedule:
        """Step -> learning rate."""
        peak = self.peak_learning_rate
        return self.schedule.schedule(peak, epochs=self.run.epochs, steps_per_epoch=steps_per_epoch)

    def _part(self, section: str, **provided: Any) -> Any:
        return part(self.config, section, **provided)


def assemble(config: Mapping[str, Any]) -> Experiment:
    """Checks the whole config and builds what needs no data. Raises InputError for the first wrong field."""
    top = {key: value for key, value in config.items() if key not in SECTIONS | CHOICES}
    run = build(Run, "", top)
    experiment = Experiment(
        config=config,
        run=run,
        data=part(config, "data"),
        sampler=part(config, "sampler"),
        recipe=part(config, "augment"),
        learning_rate=part(config, "learning_rate"),
        schedule=part(config, "schedule"),
        optimizer=part(config, "optimizer"),
        log=part(config, "log"),
        monitor=part(config, "monitor"),
        checkpoint=part(config, "checkpoint"),
    )
    some = np.arange(
        max(2, run.batch_size)
    )  # any data, to refuse a wrong network, head or method before it is read
    method = experiment.method(num_classes=len(some), labels=some)
    if experiment.recipe.mixes and not method.accepts_mixed_labels:
        raise InputError(
            "config.augment mixes images (mixup, cutmix), and this method cannot learn from mixed labels: set both"
            " to 0, or choose the method cross_entropy."
        )
    if experiment.recipe.extra_views and not method.accepts_extra_views:
        raise InputError(
            "config.augment makes multi-crop views (extra_views), which this method does not read: set extra_views,"
            " extra_sizes and extra_scales to (), or choose a method that reads them."
        )
    for name in ("blur_probability", "solarize_probability"):
        by_view = getattr(experiment.recipe, name)
        if method.views == 1 and len(set(by_view)) > 1:
            raise InputError(
                f"config.augment.{name} is {by_view}, a value per view, and this method sees one view: give one value,"
                f" such as {by_view[:1]}."
            )
    return experiment


def part(config: Mapping[str, Any], section: str, **provided: Any) -> Any:
    """One component from its section."""
    fields = dict(config[section])
    cls = section_class(section, fields)
    fields.pop("name", None) if section in CHOICES else None
    return build(cls, section, fields, **provided)


def compute_dtype(precision: str) -> Any:
    """The type that networks compute in; parameters, losses and statistics stay float32."""
    if precision == "auto":
        return jnp.float32 if jax.default_backend() == "cpu" else jnp.bfloat16
    return jnp.dtype(precision).type
