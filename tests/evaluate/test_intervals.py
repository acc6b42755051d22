"""Bootstrap intervals against the normal approximation and scipy's bootstrap."""

import numpy as np
import pytest
from scipy import stats

from contrastive_jax.errors import InputError
from contrastive_jax.evaluate import intervals

RNG = np.random.default_rng(0)
HITS = RNG.random(400) < 0.7
BETTER = HITS | (RNG.random(400) < 0.15)


def test_accuracy():
    found = intervals.accuracy(HITS)
    error = 196 * (HITS.mean() * (1 - HITS.mean()) / 400) ** 0.5
    assert found.value == pytest.approx(100 * HITS.mean())
    assert (found.value - found.low, found.high - found.value) == pytest.approx((error, error), rel=0.12)
    theirs = stats.bootstrap(
        (100.0 * HITS,), np.mean, method="percentile", n_resamples=2000
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx(tuple(theirs), abs=0.6)


def test_paired_difference_is_sharper_than_two_intervals():
    found = intervals.difference(BETTER, HITS)
    gaps = 100.0 * BETTER - 100.0 * HITS
    assert found.value == pytest.approx(gaps.mean())
    error = 1.96 * gaps.std() / 20
    assert (found.low, found.high) == pytest.approx((found.value - error, found.value + error), abs=0.4)
    assert found.low > 0
    assert (
        intervals.accuracy(BETTER).low < intervals.accuracy(HITS).high
    )  # apart, the two would not be told apart
    swapped = intervals.difference(HITS, BETTER)
    assert (swapped.value, swapped.low, swapped.high) == pytest.approx(
        (-found.value, -found.high, -found.low)
    )


def test_level_resamples_and_seed():
    wide, narrow = (intervals.accuracy(HITS, level=level) for level in (0.99, 0.5))
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high
    assert (
        intervals.accuracy(HITS, seed=3)
        == intervals.accuracy(HITS, seed=3)
        != intervals.accuracy(HITS, seed=4)
    )
    one = intervals.accuracy(HITS, resamples=1)
    assert one.low == one.high


def test_any_figure():
    """The largest of the drawn rows is never above the largest of all, and row 0 of n is the value of `arange`."""
    found = intervals.bootstrap(lambda rows: rows.max(), 50)
    assert found.value == found.high == 49 and 40 < found.low < 49


def test_refusals():
    with pytest.raises(InputError, match="not 400 and 399"):
        intervals.difference(HITS, HITS[1:])
    for call in (
        lambda: intervals.accuracy(HITS[:0]),
        lambda: intervals.accuracy(HITS, resamples=0),
        lambda: intervals.accuracy(HITS, level=1.0),
    ):
        with pytest.raises(InputError, match="a bootstrap needs"):
            call()
