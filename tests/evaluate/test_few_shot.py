"""Prototypes against scikit-learn's nearest centroid; draws and their interval."""

import numpy as np
import pytest
from sklearn.neighbors import NearestCentroid

from contrastive_jax.errors import InputError
from contrastive_jax.evaluate import few_shot
from contrastive_jax.evaluate.accuracy import mean_per_class

RNG = np.random.default_rng(0)
LABELS = np.repeat(np.arange(3), (40, 11, 150))
CENTRES = np.array([[2.0, 0, 0, 1], [0, 2, 0, 1], [1, 1, 1, 0]])
TRAIN = CENTRES[LABELS] + np.array([[3.0], [0.3], [1]])[LABELS] * RNG.normal(size=(201, 4))
TEST_LABELS = RNG.integers(3, size=120)
TEST = CENTRES[TEST_LABELS] + RNG.normal(size=(120, 4))


def test_prototypes_and_both_readings(monkeypatch):
    monkeypatch.setattr(few_shot, "ROWS_AT_A_TIME", 45)
    unit = lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)  # noqa: E731
    model = NearestCentroid().fit(unit(TRAIN), LABELS)
    means = few_shot.prototypes(TRAIN.astype(np.float32), LABELS, classes=3)
    np.testing.assert_allclose(means, model.centroids_, atol=1e-6)
    euclid, cosine = few_shot.nearest(means, TEST), few_shot.most_similar(means, TEST)
    np.testing.assert_array_equal(euclid, model.predict(unit(TEST)))
    np.testing.assert_array_equal(cosine, np.argmax(unit(TEST) @ unit(model.centroids_).T, axis=1))
    assert (euclid != cosine).any()
    np.testing.assert_array_equal(few_shot.by_prototypes(TRAIN, LABELS, TEST), cosine)


def test_shots():
    draws = [*few_shot.draw_shots(LABELS, 5, classes=3, seed=1, draws=6)]
    assert len(draws) == 6 and len({tuple(rows) for rows in draws}) == 6
    for rows in draws:
        assert len({*rows}) == 15
        np.testing.assert_array_equal(np.bincount(LABELS[rows]), [5, 5, 5])
    again = [*few_shot.draw_shots(LABELS, 5, classes=3, seed=1, draws=2)]
    np.testing.assert_array_equal(again, draws[:2])
    other = next(few_shot.draw_shots(LABELS, 5, classes=3, seed=2))
    assert not np.array_equal(other, draws[0])
    assert len([*few_shot.draw_shots(LABELS, 1, classes=3)]) == 5
    assert {*np.concatenate([*few_shot.draw_shots(LABELS, 1, classes=3, draws=300)])} >= {*range(51)}


def test_share_of_the_labels():
    for share, counts in ((0.1, [4, 1, 15]), (0.01, [1, 1, 2]), (1.0, [40, 11, 150])):
        draws = [*few_shot.draw_share(LABELS, share, classes=3)]
        assert len(draws) == 5
        for rows in draws:
            np.testing.assert_array_equal(np.bincount(LABELS[rows]), counts)


def test_mean_and_interval():
    """Five accuracies of 0, 10, .. 40 percent: the mean is 20, the error sqrt(250 / 5), t(4 degrees) = 2.776."""
    rows = (np.array([number]) for number in range(5))
    truth = np.zeros(10, int)

    def classify(train, labels, test):
        return np.where(np.arange(len(test)) < train[0, 0], truth, 1)

    numbers = np.arange(5.0)[:, None]
    found = few_shot.repeated(classify, numbers, np.arange(5), np.zeros((10, 1)), truth, draws=rows)
    assert found.accuracies == pytest.approx((0, 10, 20, 30, 40))
    assert found.mean == pytest.approx(20)
    assert found.half_width == pytest.approx(2.776 * 50**0.5, rel=1e-3)


def test_more_shots_help():
    one, ten = (
        few_shot.repeated(
            few_shot.by_prototypes, TRAIN, LABELS, TEST, TEST_LABELS,
            draws=few_shot.draw_shots(LABELS, shots, classes=3, draws=20),
        )
        for shots in (1, 10)
    )  # fmt: skip
    assert one.mean + one.half_width < ten.mean - ten.half_width


def test_mean_per_class():
    """Class 2 has no examples; class 0 is right in 3 of 4 cases, class 1 in none of 1."""
    assert mean_per_class(np.array([0, 0, 0, 2, 0, 3]), np.array([0, 0, 0, 0, 1, 3])) == pytest.approx(
        175 / 3
    )


def test_refusals():
    def drawn(function, *arguments, classes=3):
        return lambda: function(LABELS, *arguments, classes=classes)

    for call, message in [
        (drawn(few_shot.draw_shots, 12), "class 1 has 11 training examples, too few for 12"),
        (drawn(few_shot.draw_shots, 0), "at least one example"),
        (drawn(few_shot.draw_share, 0.0), "above 0 and at most 1"),
        (drawn(few_shot.draw_share, 0.5, classes=4), "class 3 has no training example"),
        (drawn(few_shot.draw_shots, 1, classes=2), "not 2 classes"),
        (lambda: few_shot.prototypes(TRAIN[:40], LABELS[:40], classes=2), "class 1 has no labelled example"),
        (
            lambda: few_shot.repeated(
                few_shot.by_prototypes, TRAIN, LABELS, TEST, TEST_LABELS, draws=iter([np.arange(201)])
            ),
            "two draws",
        ),
    ]:
        with pytest.raises(InputError, match=message):
            call()
