"""Few-shot classification: prototypes, and draws of a few labelled examples per class.

    prototype of class c = mean of its L2-normalised training features
    predict the class of the nearest prototype, in Euclidean distance or by cosine similarity

The two readings differ, because prototypes have different lengths. Cosine is the headline. `repeated` judges any
classifier on several draws of the labelled examples; a draw depends on the seed, its number and the labels alone.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import t as student_t

from contrastive_jax.errors import InputError

Features = Float[np.ndarray, "_ dim"]
Labels = Int[np.ndarray, " _"]
Classify = Callable[[Features, Labels, Features], Labels]
"""(train, train_labels, test) -> predicted classes."""

DRAWS = 5
EPSILON = 1e-12
ROWS_AT_A_TIME = 8192


class Repeated(NamedTuple):
    """Accuracies in percent over draws of the labelled examples."""

    mean: float
    half_width: float
    """The 95 % interval of the mean is mean +- half_width: Student's t with draws - 1 degrees of freedom."""
    accuracies: tuple[float, ...]
    """One for each draw."""


def prototypes(x: Features, labels: Labels, *, classes: int) -> Float[np.ndarray, "classes dim"]:
    """Mean of the L2-normalised features of each class, not normalised again.

    Args:
      x: features; a memory map is read in blocks of rows.
      labels: classes, from 0.

    Raises:
      InputError: a class without examples.
    """
    counts = _counts(labels, classes)
    if not counts.all():
        raise InputError(f"class {int(np.argmin(counts))} has no labelled example, so it has no prototype.")
    sums = np.zeros((classes, x.shape[1]))
    for start in range(0, len(x), ROWS_AT_A_TIME):
        rows = slice(start, start + ROWS_AT_A_TIME)
        order = np.argsort(labels[rows], kind="stable")
        present, first = np.unique(labels[rows][order], return_index=True)
        sums[present] += np.add.reduceat(_unit(x[rows])[order], first, axis=0)
    return sums / counts[:, None]


def nearest(means: Float[np.ndarray, "classes dim"], x: Features) -> Int[np.ndarray, " n"]:
    """The class whose prototype has the smallest Euclidean distance to the L2-normalised features."""
    return np.argmax(_unit(x) @ means.T - (means**2).sum(axis=1) / 2, axis=1)


def most_similar(means: Float[np.ndarray, "classes dim"], x: Features) -> Int[np.ndarray, " n"]:
    """The class whose prototype has the largest cosine similarity with the features."""
    return np.argmax(_unit(x) @ _unit(means).T, axis=1)


def draw_shots(
    labels: Labels, shots: int, *, classes: int, seed: int = 0, draws: int = DRAWS
) -> Iterator[Int[np.ndarray, " rows"]]:
    """Row numbers of `shots` examples of every class without replacement, sorted, `draws` times.

    Raises:
      InputError: a class with fewer examples.
    """
    counts = _counts(labels, classes)
    if shots < 1:
        raise InputError(f"shots is {shots}: give at least one example per class.")
    if counts.min() < shots:
        raise InputError(
            f"class {int(np.argmin(counts))} has {counts.min()} training examples, too few for {shots} shots; "
            "ask for fewer shots."
        )
    return _drawn(labels, np.full(classes, shots), seed, draws)


def draw_share(
    labels: Labels, share: float, *, classes: int, seed: int = 0, draws: int = DRAWS
) -> Iterator[Int[np.ndarray, " rows"]]:
    """Row numbers of a share of every class, rounded, one example at least: 0.01 for 1 % of the labels.

    Raises:
      InputError: a share outside (0, 1], or a class without examples.
    """
    counts = _counts(labels, classes)
    if not 0 < share <= 1:
        raise InputError(f"the share of labels is {share}: give one above 0 and at most 1.")
    if not counts.all():
        raise InputError(f"class {int(np.argmin(counts))} has no training example.")
    return _drawn(labels, np.maximum(np.round(share * counts).astype(int), 1), seed, draws)


def repeated(
    classify: Classify,
    train: Features,
    train_labels: Labels,
    test: Features,
    test_labels: Labels,
    *,
    draws: Iterator[Int[np.ndarray, " rows"]],
) -> Repeated:
    """Accuracy of a classifier trained on each draw, with the interval of its mean.

    Args:
      classify: from labelled features and test features to predictions, such as `by_prototypes`.
      draws: row numbers of the training set, at least two draws, as `draw_shots` and `draw_share` yield them.
    """
    found = [
        100 * float(np.mean(classify(np.asarray(train[rows]), train_labels[rows], test) == test_labels))
        for rows in draws
    ]
    if len(found) < 2:
        raise InputError(f"an interval needs at least two draws of the labelled examples, not {len(found)}.")
    error = np.std(found, ddof=1) / np.sqrt(len(found))
    return Repeated(float(np.mean(found)), float(student_t.ppf(0.975, len(found) - 1) * error), tuple(found))


def by_prototypes(train: Features, labels: Labels, test: Features) -> Labels:
    """Predictions by the most similar prototype, classes counted from 0 to the largest label."""
    return most_similar(prototypes(train, labels, classes=int(labels.max()) + 1), test)


def _drawn(labels, quota, seed: int, draws: int) -> Iterator[Int[np.ndarray, " rows"]]:
    """`quota[c]` rows of each class c."""
    by_class = [np.flatnonzero(labels == c) for c in range(len(quota))]
    for number in range(draws):
        rng = np.random.default_rng((seed, number))
        rows = [rng.choice(rows, size, replace=False) for rows, size in zip(by_class, quota)]
        yield np.sort(np.concatenate(rows))


def _counts(labels, classes: int) -> Int[np.ndarray, " classes"]:
    if not len(labels) or labels.min() < 0 or labels.max() >= classes:
        raise InputError(f"the training labels are not {classes} classes counted from 0.")
    return np.bincount(labels, minlength=classes)


def _unit(x):
    x = np.asarray(x, np.float64)
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), EPSILON)
