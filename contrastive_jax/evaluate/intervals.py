"""Bootstrap intervals over test examples: how far a figure would move with another test set of the same size.

Test examples are drawn with replacement, as many as there are, and the figure is computed again; the interval holds
the middle 95 % of the results (the percentile method, Efron and Tibshirani 1993, Ch. 13). Two classifiers are compared
on the same drawn examples, which removes what makes an example easy or hard for both.

The intervals say nothing about the spread over training seeds.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from contrastive_jax.errors import InputError

RESAMPLES = 2000


class Interval(NamedTuple):
    """A figure and its bootstrap interval, in the figure's unit."""

    value: float
    """On the test set itself."""
    low: float
    high: float


Hits = Bool[np.ndarray, " _"] | Float[np.ndarray, " _"]
"""Whether each test example counts as correct, or how much, from 0 to 1: a mean over several classifiers."""


def bootstrap(
    figure: Callable[[Int[np.ndarray, " n"]], float],
    n: int,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """The interval of any figure of a test set.

    Args:
      figure: from row numbers of the test set, which may repeat, to a number.
      n: number of test examples.
      level: share of the resampled figures that the interval holds.
      resamples: number of resampled test sets.
      seed: equal seeds resample alike, for every figure.

    Example:
      >>> right = np.array([True, True, False, True])
      >>> intervals.bootstrap(lambda rows: right[rows].mean(), 4).value
      0.75
    """
    if n < 1 or resamples < 1 or not 0 < level < 1:
        raise InputError(
            f"a bootstrap needs test examples, resamples and a level between 0 and 1, not {n}, {resamples} and {level}."
        )
    rng = np.random.default_rng(seed)
    drawn = [float(figure(rng.integers(n, size=n))) for _ in range(resamples)]
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(figure(np.arange(n))), float(low), float(high))


def accuracy(hits: Hits, *, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """Accuracy in percent, from whether each test example was classified correctly."""
    return _percent(hits.astype(np.float64), level=level, resamples=resamples, seed=seed)


def difference(
    hits: Hits, baseline: Hits, *, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """By how many points of accuracy a classifier is ahead of a baseline on the same test examples.

    Raises:
      InputError: the two were not judged on equally many examples.
    """
    if len(hits) != len(baseline):
        raise InputError(
            f"a paired difference needs the same test examples for both classifiers, not {len(hits)} and "
            f"{len(baseline)}."
        )
    return _percent(hits.astype(np.float64) - baseline, level=level, resamples=resamples, seed=seed)


def _percent(values: Float[np.ndarray, " n"], **settings) -> Interval:
    return bootstrap(lambda rows: 100 * values[rows].mean(), len(values), **settings)
