"""Calibration: whether a classifier that says 80 % is right in 80 % of the cases (Guo et al. 2017).

    ECE   = sum over bins b of (n_b / n) |accuracy_b - confidence_b|
    NLL   = mean of -log p(label)
    Brier = mean over examples of sum over classes of (p(c) - [c = label])^2, from 0 to 2

A prediction's confidence is its largest probability. The bins have equal width and are closed on the right. A
temperature T divides the logits; the one that minimises the NLL of a held-out slice is found by Newton's method in
1 / T, in which the NLL is convex. It moves no prediction.

Several exits are read as one classifier by `mean_of_logits` or by `mean_of_probabilities`, and either can be calibrated
before or after the mean: `ensemble` reports all four. Everything is computed on the host in float64.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.special import log_softmax, logsumexp

from contrastive_jax.errors import InputError

Logits = Float[np.ndarray, "_ _"]
Labels = Int[np.ndarray, " _"]

BINS = 15
LIMITS = (0.01, 100.0)
"""Between which a temperature is sought: a slice without mistakes asks for 0, one at chance level for infinity."""


class Reliability(NamedTuple):
    """Predictions binned by confidence. Bin b holds confidences in (edges[b], edges[b + 1]], the first also 0."""

    edges: Float[np.ndarray, " bins_and_1"]
    count: Int[np.ndarray, " bins"]
    confidence: Float[np.ndarray, " bins"]
    """Mean confidence; NaN in an empty bin, like `accuracy`."""
    accuracy: Float[np.ndarray, " bins"]
    """Share of correct predictions."""

    def expected_error(self) -> float:
        """ECE: the mean gap between accuracy and confidence, bins weighted by their predictions."""
        share, gap = self._gaps()
        return float(share @ gap)

    def root_mean_square_error(self) -> float:
        """The same with the root of the mean squared gap (Hendrycks et al. 2019)."""
        share, gap = self._gaps()
        return float(np.sqrt(share @ gap**2))

    def maximum_error(self) -> float:
        """MCE: the largest gap of a bin that is not empty."""
        return float(self._gaps()[1].max())

    def _gaps(self):
        filled = self.count > 0
        share = self.count[filled] / self.count.sum()
        return share, np.abs(self.accuracy - self.confidence)[filled]


class Scores(NamedTuple):
    """How good the probabilities of a classifier are; lower is better."""

    ece: float
    nll: float
    """In nats."""
    brier: float


class Calibrated(NamedTuple):
    """A classifier on the test set before and after calibration on the held-out slice."""

    temperature: float
    before: Scores
    after: Scores


class EnsembleCalibrated(NamedTuple):
    """One way to average exits, calibrated in either order."""

    average_then_calibrate: Calibrated
    calibrate_then_average: Scores
    """Each exit has its own temperature, fitted before the mean."""


def reliability(logits: Logits, labels: Labels, *, bins: int = BINS) -> Reliability:
    """The reliability table of the predictions.

    Args:
      logits: unnormalised log probabilities, finite.
      labels: classes, from 0.
      bins: number of bins of equal width on [0, 1].

    Raises:
      InputError: logits that are not finite, or labels that do not fit them.
    """
    logits = _checked(logits, labels)
    if bins < 1:
        raise InputError(f"bins is {bins}: give at least one bin.")
    confidence = np.exp(log_softmax(logits, axis=1).max(axis=1))
    correct = logits.argmax(axis=1) == labels
    edges = np.linspace(0, 1, bins + 1)
    bin = np.searchsorted(edges[1:-1], confidence, side="left")
    count = np.bincount(bin, minlength=bins)
    with np.errstate(invalid="ignore"):  # 0 / 0 in an empty bin
        means = [np.bincount(bin, weights=x, minlength=bins) / count for x in (confidence, correct)]
    return Reliability(edges, count, *means)


def ece(logits: Logits, labels: Labels, *, bins: int = BINS) -> float:
    """Expected calibration error, from 0 to 1 (Guo et al. 2017, Eq. 3). Arguments as in `reliability`."""
    return reliability(logits, labels, bins=bins).expected_error()


def nll(logits: Logits, labels: Labels) -> float:
    """Mean negative log likelihood in nats."""
    log_p = log_softmax(_checked(logits, labels), axis=1)
    return float(-np.take_along_axis(log_p, labels[:, None], axis=1).mean())


def brier(logits: Logits, labels: Labels) -> float:
    """Mean squared distance of the probabilities from the one-hot label, summed over classes (Brier 1950)."""
    gap = np.exp(log_softmax(_checked(logits, labels), axis=1))
    gap[np.arange(len(labels)), labels] -= 1
    return float((gap**2).sum(axis=1).mean())


def scores(logits: Logits, labels: Labels, *, bins: int = BINS) -> Scores:
    """ECE, NLL and Brier score of one classifier."""
    return Scores(ece(logits, labels, bins=bins), nll(logits, labels), brier(logits, labels))


def temperature(
    logits: Logits, labels: Labels, *, limits: tuple[float, float] = LIMITS, tolerance: float = 1e-10
) -> float:
    """The T within `limits` that minimises the NLL of logits / T; the nearer limit if the minimum is outside.

    With b = 1 / T and E, Var under softmax(b z): d NLL / db = mean(E[z] - z_label), d^2 NLL / db^2 = mean(Var[z]). A
    Newton step that leaves the bracket around the root of the slope is replaced by halving the bracket.

    Args:
      logits: of examples that the classifier was neither trained nor is tested on.
      labels: classes, from 0.
      limits: smallest and largest T.
      tolerance: relative change of 1 / T that ends the search.
    """
    logits = _checked(logits, labels)
    logits = logits - logits.max(axis=1, keepdims=True)
    own = np.take_along_axis(logits, labels[:, None], axis=1)[:, 0]

    def slope_and_curvature(b: float) -> tuple[float, float]:
        p = np.exp(log_softmax(b * logits, axis=1))
        mean = (p * logits).sum(axis=1)
        variance = (p * (logits - mean[:, None]) ** 2).sum(axis=1)
        return float((mean - own).mean()), float(variance.mean())

    low, high = 1 / limits[1], 1 / limits[0]
    if slope_and_curvature(low)[0] >= 0:
        return limits[1]
    if slope_and_curvature(high)[0] <= 0:
        return limits[0]
    b = min(max(1.0, low), high)
    while True:
        slope, curvature = slope_and_curvature(b)
        low, high = (b, high) if slope < 0 else (low, b)
        following = b - slope / curvature if curvature > 0 else np.inf
        if not low < following < high:
            following = (low + high) / 2
        if abs(following - b) <= tolerance * b:
            return float(1 / following)
        b = following


def calibrate(
    held_out: Logits, held_out_labels: Labels, test: Logits, test_labels: Labels, *, bins: int = BINS
) -> Calibrated:
    """Fits a temperature on the held-out slice and scores the test set without and with it."""
    t = temperature(held_out, held_out_labels)
    return Calibrated(t, scores(test, test_labels, bins=bins), scores(test / t, test_labels, bins=bins))


def mean_of_logits(exits: Mapping[str, Logits]) -> Logits:
    """Logits of the ensemble that averages the exits' logits: a geometric mean of their probabilities."""
    return np.mean([np.asarray(z, np.float64) for z in exits.values()], axis=0)


def mean_of_probabilities(exits: Mapping[str, Logits]) -> Logits:
    """Log of the mean of the exits' probabilities, which serves as logits."""
    log_p = [log_softmax(np.asarray(z, np.float64), axis=1) for z in exits.values()]
    return logsumexp(log_p, axis=0) - np.log(len(log_p))


MEANS: dict[str, Callable[[Mapping[str, Logits]], Logits]] = {
    "mean_of_logits": mean_of_logits,
    "mean_of_probabilities": mean_of_probabilities,
}


def ensemble(
    held_out: Mapping[str, Logits],
    held_out_labels: Labels,
    test: Mapping[str, Logits],
    test_labels: Labels,
    *,
    bins: int = BINS,
) -> dict[str, EnsembleCalibrated]:
    """Both means of the exits, each calibrated after and before the mean.

    Args:
      held_out: {exit: logits} of the held-out slice.
      test: the same exits on the test set.

    Returns:
      {"mean_of_logits" or "mean_of_probabilities": the two orders}.
    """
    own = {exit: temperature(z, held_out_labels) for exit, z in held_out.items()}
    calibrated = {exit: test[exit] / t for exit, t in own.items()}
    return {
        name: EnsembleCalibrated(
            calibrate(mean(held_out), held_out_labels, mean(test), test_labels, bins=bins),
            scores(mean(calibrated), test_labels, bins=bins),
        )
        for name, mean in MEANS.items()
    }


def _checked(logits: Logits, labels: Labels) -> Float[np.ndarray, "n classes"]:
    """The logits in float64."""
    if len(logits) != len(labels) or not len(labels):
        raise InputError(
            f"there are {len(logits)} rows of logits and {len(labels)} labels; give one label per row."
        )
    if not np.isfinite(logits).all():
        raise InputError("the logits hold values that are not finite: the classifier diverged.")
    if labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise InputError(
            f"labels run from {labels.min()} to {labels.max()}, but the logits have {logits.shape[1]} classes."
        )
    return np.asarray(logits, np.float64)
