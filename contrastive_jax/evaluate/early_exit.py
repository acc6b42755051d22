"""Leaving a network early: the first exit that is confident enough answers, and the rest is not computed.

An exit's confidence is its largest probability. With a threshold t, an image leaves at the first exit whose confidence
is at least t, or at the last exit. What it costs is what was computed until then. Above 1, no early exit is looked at:
the network's last exit alone.

Thresholds are compared on a held-out slice, and the cheapest one with a wanted accuracy is taken.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import log_softmax

from contrastive_jax.errors import InputError

NEVER = 2.0
"""The threshold at which no image leaves early."""
STEPS = 100


class Outcome(NamedTuple):
    """What happens to each example at one threshold."""

    hits: Bool[np.ndarray, " n"]
    """Whether the answer is correct."""
    cost: Float[np.ndarray, " n"]
    """In the unit of the costs."""


class Point(NamedTuple):
    """One threshold on a set of examples."""

    threshold: float
    accuracy: float
    """In percent."""
    cost: float
    """Mean over the examples."""


class Cascade(NamedTuple):
    """Exits of one network on the same examples, cheapest first."""

    confidence: Float[np.ndarray, "exits n"]
    correct: Bool[np.ndarray, "exits n"]
    costs: Float[np.ndarray, " exits"]
    """Of an answer of each exit after all earlier ones were asked in vain."""
    alone: float
    """Of the last exit without the others."""

    def outcome(self, threshold: float) -> Outcome:
        """What happens with this threshold."""
        if threshold > 1:
            return Outcome(self.correct[-1], np.full(self.correct.shape[1], self.alone))
        confident = self.confidence >= threshold
        confident[-1] = True
        exit = np.argmax(confident, axis=0)
        return Outcome(np.take_along_axis(self.correct, exit[None], axis=0)[0], self.costs[exit])

    def point(self, threshold: float) -> Point:
        """Accuracy and mean cost with this threshold."""
        found = self.outcome(threshold)
        return Point(threshold, 100 * float(found.hits.mean()), float(found.cost.mean()))


def cascade(
    logits: Sequence[Float[np.ndarray, "n classes"]],
    labels: Int[np.ndarray, " n"],
    costs: Sequence[float],
    alone: float,
) -> Cascade:
    """The exits of one network.

    Args:
      logits: of every exit, cheapest first.
      labels: the true classes.
      costs: of an answer of each exit after all earlier ones, rising.
      alone: cost of the last exit without the others.

    Raises:
      InputError: there are fewer than two exits.
    """
    if len(logits) < 2:
        raise InputError(
            "leaving early needs at least two exits, and this encoder has one: judge a network with sub-networks, or"
            " another evaluation."
        )
    log_p = [log_softmax(np.asarray(z, np.float64), axis=1) for z in logits]
    return Cascade(
        np.exp([x.max(axis=1) for x in log_p]),
        np.asarray([x.argmax(axis=1) == labels for x in log_p]),
        np.asarray(costs, np.float64),
        float(alone),
    )


def thresholds(held_out: Cascade) -> list[float]:
    """Quantiles of the early exits' confidences on the slice, rising, and `NEVER`."""
    found = np.quantile(held_out.confidence[:-1], np.linspace(0, 1, STEPS + 1), method="lower")
    return [*map(float, np.unique(found)), NEVER]


def cheapest(points: Sequence[Point], accuracy: float) -> Point:
    """The cheapest point with at least this accuracy, else the most accurate; of equals, the higher threshold."""
    enough = [point for point in points if point.accuracy >= accuracy]
    if not enough:
        return max(points, key=lambda point: (point.accuracy, -point.cost, point.threshold))
    return min(enough, key=lambda point: (point.cost, -point.accuracy, -point.threshold))
