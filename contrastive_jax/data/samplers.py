"""How the batches of an epoch are drawn from a data set: pure functions of (labels, seed, epoch).

An epoch is `size // batch_size` steps with every sampler, so that schedules and records compare.
"""

import dataclasses
import sys
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int, Int64

from contrastive_jax.config.schema import find_in_module
from contrastive_jax.errors import InputError

Labels = Int[np.ndarray, " size"]
Rows = Int64[np.ndarray, "step batch"]


@runtime_checkable
class Sampler(Protocol):
    """A frozen dataclass; its fields are the section `sampler` of a config."""

    def check(self, labels: Labels, batch_size: int) -> None:
        """Raises InputError where such batches cannot be drawn."""
        ...

    def epoch(self, labels: Labels, seed: int, epoch: int, batch_size: int) -> Rows:
        """The rows of every batch of an epoch."""
        ...


def sampler(name: str) -> type:
    """The sampler class called `name` (uniform, class_aware, balanced); InputError otherwise."""
    return find_in_module(sys.modules[__name__], name, "sampler")


@dataclasses.dataclass(frozen=True)
class Uniform:
    """Every example once per epoch, in a fresh order; those that fill no last batch are dropped (others next)."""

    def check(self, labels, batch_size):
        pass

    def epoch(self, labels, seed, epoch, batch_size):
        order = permutation(len(labels), seed, epoch)
        steps = len(labels) // batch_size
        return order[: steps * batch_size].reshape(steps, batch_size)


@dataclasses.dataclass(frozen=True)
class ClassAware:
    """Batches of `batch_size / per_class` different classes with `per_class` different examples each (MCL).

    Classes are drawn anew for every batch. Within an epoch a class deals its examples like a shuffled pack and
    shuffles again when fewer than `per_class` are left, so an example may come twice in an epoch, or not at all.
    """

    per_class: int = 2

    def __post_init__(self):
        if self.per_class < 1:
            raise InputError(f"sampler.per_class is {self.per_class}: give 1 or more.")

    def check(self, labels, batch_size):
        refuse_unlabelled(labels)
        classes, counts = np.unique(labels, return_counts=True)
        served = int(np.sum(counts >= self.per_class))
        if batch_size % self.per_class:
            raise InputError(
                f"batch_size {batch_size} is no multiple of sampler.per_class {self.per_class}: change one of them."
            )
        if batch_size > served * self.per_class:
            raise InputError(
                f"a class-aware batch of {batch_size} needs {batch_size // self.per_class} classes with"
                f" {self.per_class} examples each, but the data set has {served} such classes: use a batch_size of"
                f" at most {served * self.per_class}, or a larger sampler.per_class."
            )

    def epoch(self, labels, seed, epoch, batch_size):
        classes, counts = np.unique(labels, return_counts=True)
        classes = classes[counts >= self.per_class]
        steps, wanted = len(labels) // batch_size, batch_size // self.per_class
        words = raw_words(seed, epoch, 0)(steps * len(classes)).reshape(steps, len(classes))
        drawn = classes[np.argsort(words, axis=1, kind="stable")[:, :wanted]]  # [step, class]
        return deal(labels, drawn, self.per_class, seed, epoch).reshape(steps, batch_size)


@dataclasses.dataclass(frozen=True)
class Balanced:
    """Every class equally often, whatever its size (long-tailed sets): rare examples come often, common ones seldom."""

    def check(self, labels, batch_size):
        refuse_unlabelled(labels)

    def epoch(self, labels, seed, epoch, batch_size):
        classes = np.unique(labels)
        steps = len(labels) // batch_size
        rounds = -(-steps * batch_size // len(classes))
        words = raw_words(seed, epoch, 0)(rounds * len(classes)).reshape(rounds, len(classes))
        drawn = classes[np.argsort(words, axis=1, kind="stable")].reshape(-1, 1)[: steps * batch_size]
        return deal(labels, drawn, 1, seed, epoch).reshape(steps, batch_size)


def deal(labels: Labels, drawn: Int[np.ndarray, "time class"], per_class: int, seed: int, epoch: int):
    """`[time, class, per_class]`: `per_class` examples of every class drawn, from packs shuffled per class."""
    rows = np.empty((*drawn.shape, per_class), np.int64)
    for label in np.unique(drawn):
        members = np.flatnonzero(labels == label)
        visits = int(np.sum(drawn == label))
        per_pack = len(members) // per_class
        packs = -(-visits // per_pack)
        words = raw_words(seed, epoch, 1 + int(label))(packs * len(members)).reshape(packs, len(members))
        shuffled = members[np.argsort(words, axis=1, kind="stable")][:, : per_pack * per_class]
        rows[drawn == label] = shuffled.reshape(-1, per_class)[:visits]
    return rows


def permutation(size: int, seed: int, epoch: int) -> Int64[np.ndarray, " size"]:
    """A permutation of 0..size-1 that depends on (seed, epoch) alone; equal 64-bit words keep their positions."""
    return np.argsort(raw_words(seed, epoch)(size), kind="stable").astype(np.int64)


def raw_words(*entropy: int):
    """A stream of 64-bit words.

    Raw words of the bit generator, not `Generator.permutation`: numpy promises the streams of SeedSequence and
    PCG64 for ever, but may change what Generator makes of them (NEP 19), and a run may be resumed under another
    numpy.
    """
    return np.random.PCG64(np.random.SeedSequence(entropy)).random_raw


def refuse_unlabelled(labels: Labels) -> None:
    if labels.min() < 0:
        raise InputError(
            "this sampler needs labels, and the data set has none: use --config.sampler.name=uniform."
        )
