"""How the batches of an epoch are drawn from a data set: pure functions of (labels, seed, epoch, batch size).

With every sampler an epoch has `size // batch_size` steps, so schedules and logs are comparable.
"""

import dataclasses
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int, Int64

from contrastive_jax.errors import InputError

Labels = Int[np.ndarray, " size"]
Rows = Int64[np.ndarray, "step batch"]


@runtime_checkable
class Sampler(Protocol):
    """A frozen dataclass; its fields are the section `sampler` of a config."""

    def check(self, labels: Labels, batch_size: int) -> None:
        """Raises InputError if such batches cannot be drawn."""
        ...

    def epoch(self, labels: Labels, seed: int, epoch: int, batch_size: int) -> Rows:
        """The rows of every batch of an epoch."""
        ...


@dataclasses.dataclass(frozen=True)
class Uniform:
    """Every example once per epoch, in a new order. The last incomplete batch is dropped, different ones each epoch."""

    def check(self, labels, batch_size):
        pass

    def epoch(self, labels, seed, epoch, batch_size):
        order = permutation(len(labels), seed, epoch)
        steps = len(labels) // batch_size
        return order[: steps * batch_size].reshape(steps, batch_size)


@dataclasses.dataclass(frozen=True)
class ClassAware:
    """Batches of `batch_size / per_class` different classes with `per_class` different examples each (MCL).

    The classes are drawn anew for every batch. Each class deals its examples like a shuffled deck of cards, and
    reshuffles when fewer than `per_class` are left, so an epoch may contain an example twice or not at all.
    """

    per_class: int = 2

    def __post_init__(self):
        if self.per_class < 1:
            raise InputError(f"sampler.per_class is {self.per_class}; it must be 1 or more.")

    def check(self, labels, batch_size):
        refuse_unlabelled(labels)
        classes, counts = np.unique(labels, return_counts=True)
        served = int(np.sum(counts >= self.per_class))
        if batch_size % self.per_class:
            raise InputError(
                f"batch_size {batch_size} is not a multiple of sampler.per_class {self.per_class}; change one of them."
            )
        if batch_size > served * self.per_class:
            raise InputError(
                f"a class-aware batch of {batch_size} needs {batch_size // self.per_class} classes with"
                f" {self.per_class} examples each, but the data set has {served} such classes; use a batch_size of"
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
    """Every class equally often, for long-tailed sets: examples of rare classes are repeated more often."""

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
    """`per_class` examples for every class in `drawn`, from one shuffled deck per class: [time, class, per_class]."""
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
    """A permutation of 0..size-1 that depends only on (seed, epoch); equal 64-bit words keep their order."""
    return np.argsort(raw_words(seed, epoch)(size), kind="stable").astype(np.int64)


def raw_words(*entropy: int):
    """A function that returns the next n words of a stream of 64-bit words.

    They are the bit generator's raw words. NumPy guarantees the streams of SeedSequence and PCG64, but may change
    how `Generator.permutation` uses them (NEP 19), and a run may be resumed under another version of NumPy.
    """
    return np.random.PCG64(np.random.SeedSequence(entropy)).random_raw


def refuse_unlabelled(labels: Labels) -> None:
    if labels.min() < 0:
        raise InputError(
            "this sampler needs labels, and the data set has none; use --config.sampler.name=uniform."
        )
