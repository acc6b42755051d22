"""Figures carry an interval over test examples, a spread over seeds, or both."""

import numpy as np
import pytest

from contrastive_jax.evaluate import intervals
from contrastive_jax.evaluate.figures import Figure, over_seeds, share, text

RNG = np.random.default_rng(0)


def test_the_interval_is_that_of_the_mean_over_the_seeds():
    hits = RNG.random((3, 200)) < [[0.9], [0.8], [0.5]]
    found = share(hits)
    percents = 100 * hits.mean(axis=1)
    assert found.by_seed == pytest.approx(percents) and found.value == pytest.approx(percents.mean())
    assert found.std == pytest.approx(np.std(percents, ddof=1))
    expected = intervals.accuracy(hits.mean(axis=0))
    assert found.interval == pytest.approx((expected.low, expected.high))


def test_one_classifier_has_an_interval_and_no_spread():
    hits = np.array([True, True, False, True])
    found = share(hits)
    assert found[0] == 75 and found.std is None and found.by_seed is None
    assert found.interval == pytest.approx(tuple(intervals.accuracy(hits)[1:]))


def test_one_seed_has_no_spread():
    assert over_seeds([0.25]) == Figure(0.25, None, None, (0.25,))
    assert over_seeds([1.0, 3.0]) == Figure(2.0, None, pytest.approx(2**0.5), (1.0, 3.0))


def test_table():
    table = {
        "final": {"top-1": Figure(93.125, (92.5, 93.75), 0.1), "T": Figure(1.23456, None, 0.02)},
        "block1": {"ECE": Figure(0.0312345)},
    }
    assert text(table, "exit").splitlines() == [
        "exit                         top-1             T      ECE",
        "final   93.12 ± 0.1 [92.50, 93.75]  1.235 ± 0.02         ",
        "block1                                            0.03123",
    ]
