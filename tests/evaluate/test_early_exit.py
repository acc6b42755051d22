"""Thresholds on hand-made confidences."""

import numpy as np
import pytest

from contrastive_jax.errors import InputError
from contrastive_jax.evaluate.early_exit import NEVER, Point, cascade, cheapest, thresholds

CONFIDENCE = np.array([[0.9, 0.6, 0.8, 0.55], [0.7, 0.95, 0.6, 0.65], [0.99, 0.6, 0.7, 0.8]])
CLASS = np.array([[0, 1, 1, 0], [1, 1, 0, 0], [0, 0, 1, 1]])
"""Of three exits and four examples of two classes."""
LABELS = np.array([0, 1, 0, 1])
COSTS, ALONE = (10, 25, 60), 50


def logits(confidence, predicted):
    """Two logits with this confidence in this class."""
    margin = np.log(confidence / (1 - confidence))
    return np.where(np.arange(2) == predicted[:, None], margin[:, None], 0.0)


@pytest.fixture
def exits():
    return cascade([logits(*each) for each in zip(CONFIDENCE, CLASS)], LABELS, COSTS, ALONE)


@pytest.mark.parametrize(
    "threshold, leaves_at, hits",
    [
        (0.0, [0, 0, 0, 0], [1, 1, 0, 0]),
        (0.75, [0, 1, 0, 2], [1, 1, 0, 1]),
        (0.85, [0, 1, 2, 2], [1, 1, 0, 1]),
        (1.0, [2, 2, 2, 2], [1, 0, 0, 1]),
    ],
)
def test_an_image_leaves_at_the_first_confident_exit(exits, threshold, leaves_at, hits):
    found = exits.outcome(threshold)
    np.testing.assert_array_equal(found.hits, hits)
    np.testing.assert_array_equal(found.cost, np.take(COSTS, leaves_at))
    assert exits.point(threshold) == (threshold, 25 * sum(hits), np.take(COSTS, leaves_at).mean())


def test_the_last_exit_alone_is_charged_nothing_for_the_others(exits):
    assert exits.point(NEVER) == (NEVER, 50, ALONE)


def test_confidence_is_the_largest_probability(exits):
    np.testing.assert_allclose(exits.confidence, CONFIDENCE, rtol=1e-12)


def test_candidates_are_the_confidences_of_the_early_exits(exits):
    assert thresholds(exits) == pytest.approx([0.55, 0.6, 0.65, 0.7, 0.8, 0.9, 0.95, NEVER])


def test_the_cheapest_threshold_that_is_accurate_enough():
    points = [
        Point(0.2, 70, 10),
        Point(0.5, 80, 20),
        Point(0.6, 81, 20),
        Point(0.9, 90, 30),
        Point(2, 89, 40),
    ]
    assert [cheapest(points, wanted).threshold for wanted in (60, 75, 89, 95)] == [0.2, 0.6, 0.9, 0.9]


def test_one_exit_is_refused():
    with pytest.raises(InputError, match="at least two exits"):
        cascade([np.zeros((4, 2))], LABELS, (10,), 10)
