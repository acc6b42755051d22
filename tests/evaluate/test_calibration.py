"""Calibration against plain loops, scikit-learn's losses and a search over a grid of temperatures."""

import numpy as np
import pytest
from sklearn.metrics import log_loss

from contrastive_jax.errors import InputError
from contrastive_jax.evaluate import calibration


def sample(n: int, classes: int, *, temperature: float, seed: int = 0):
    """Labels drawn from softmax(z), and the logits z * temperature that claim something else."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, classes)) * 2
    return (temperature * z).astype(np.float32), (z + rng.gumbel(size=z.shape)).argmax(axis=1)


def probabilities(z):
    p = np.exp(z.astype(np.float64) - z.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


LOGITS, LABELS = sample(300, 4, temperature=3.0)


@pytest.mark.parametrize("bins", [1, 7, 15])
def test_table_and_error_against_a_loop(bins):
    table = calibration.reliability(LOGITS, LABELS, bins=bins)
    p, gaps, seen = probabilities(LOGITS), [], 0
    for b in range(bins):
        inside = [i for i in range(300) if b / bins < p[i].max() <= (b + 1) / bins]
        seen += len(inside)
        assert table.count[b] == len(inside)
        if not inside:
            assert np.isnan(table.accuracy[b]) and np.isnan(table.confidence[b])
            continue
        accuracy = np.mean([p[i].argmax() == LABELS[i] for i in inside])
        confidence = np.mean([p[i].max() for i in inside])
        assert (table.accuracy[b], table.confidence[b]) == pytest.approx((accuracy, confidence))
        gaps.append((len(inside) / 300, abs(accuracy - confidence)))
    assert seen == 300 and table.edges == pytest.approx(np.arange(bins + 1) / bins)
    assert calibration.ece(LOGITS, LABELS, bins=bins) == pytest.approx(sum(w * g for w, g in gaps))
    assert table.maximum_error() == pytest.approx(max(g for _, g in gaps))
    assert table.root_mean_square_error() == pytest.approx(sum(w * g**2 for w, g in gaps) ** 0.5)


def test_bins_are_closed_on_the_right():
    """Two equal logits have confidence 1/2 exactly, the right edge of the first of two bins."""
    table = calibration.reliability(np.zeros((3, 2)), np.array([0, 0, 1]), bins=2)
    np.testing.assert_array_equal(table.count, [3, 0])
    assert calibration.ece(np.zeros((3, 2)), np.array([0, 0, 1]), bins=2) == pytest.approx(2 / 3 - 1 / 2)


def test_likelihood_and_brier():
    p, one_hot = probabilities(LOGITS), np.eye(4)[LABELS]
    found = calibration.scores(LOGITS, LABELS)
    assert found.nll == pytest.approx(log_loss(LABELS, p, labels=range(4)), rel=1e-6)
    assert found.brier == pytest.approx(np.mean(np.sum((p - one_hot) ** 2, axis=1)))
    assert found.ece == calibration.ece(LOGITS, LABELS, bins=15) != calibration.ece(LOGITS, LABELS, bins=10)


def test_extreme_logits_stay_finite():
    z = np.array([[1e4, 0.0], [0.0, 1e4]])
    assert calibration.scores(z, np.array([1, 1])) == pytest.approx((0.5, 5e3, 1.0))
    assert np.isfinite(calibration.mean_of_probabilities({"a": z, "b": z[::-1]})).all()


@pytest.mark.parametrize("true", [0.25, 1.0, 3.0])
def test_temperature_minimises_the_likelihood(true):
    """The labels were drawn at temperature 1: logits times `true` need about `true`."""
    z, labels = sample(4000, 5, temperature=true)
    found = calibration.temperature(z, labels)
    assert found == pytest.approx(true, rel=0.1)
    best = calibration.nll(z / found, labels)
    assert all(best < calibration.nll(z / (found * factor), labels) for factor in (0.99, 0.999, 1.001, 1.01))


def test_temperature_from_any_start_and_within_limits():
    z, labels = sample(500, 3, temperature=1.0)
    found = calibration.temperature(z, labels)
    assert calibration.temperature(1000 * z, labels, limits=(1e-4, 1e5)) == pytest.approx(1000 * found)
    assert calibration.temperature(z / 1000, labels, limits=(1e-4, 1e5)) == pytest.approx(found / 1000)
    assert calibration.temperature(z + 7.0 * labels[:, None], labels) == pytest.approx(found)  # shifted rows
    assert calibration.temperature(z, z.argmax(axis=1)) == 0.01  # no mistakes
    assert calibration.temperature(z, z.argmin(axis=1)) == 100  # worse than chance
    assert calibration.temperature(z, z.argmax(axis=1), limits=(0.5, 2.0)) == 0.5


def test_calibration_on_the_slice_helps_on_the_test_set():
    held, held_labels = sample(2000, 4, temperature=3.0, seed=1)
    test, test_labels = sample(2000, 4, temperature=3.0, seed=2)
    found = calibration.calibrate(held, held_labels, test, test_labels)
    assert found.temperature == calibration.temperature(held, held_labels)
    assert found.temperature != calibration.temperature(test, test_labels)
    assert found.before == calibration.scores(test, test_labels)
    assert all(after < 0.9 * before for before, after in zip(found.before, found.after))


def test_ensembles_in_both_orders():
    exits = {exit: sample(800, 3, temperature=t, seed=3)[0] for exit, t in (("sub", 1.0), ("final", 4.0))}
    rng = np.random.default_rng(0)
    exits = {exit: z + rng.normal(size=z.shape) for exit, z in exits.items()}
    labels = sample(800, 3, temperature=1.0, seed=3)[1]
    held, test = ({exit: z[part] for exit, z in exits.items()} for part in (slice(400), slice(400, None)))
    found = calibration.ensemble(held, labels[:400], test, labels[400:])
    a, b = test.values()
    own = [calibration.temperature(z, labels[:400]) for z in held.values()]
    p = (probabilities(a) + probabilities(b)) / 2
    logits, mean_p = found["mean_of_logits"], found["mean_of_probabilities"]
    assert logits.average_then_calibrate.before == calibration.scores((a + b) / 2, labels[400:])
    assert mean_p.average_then_calibrate.before.nll == pytest.approx(log_loss(labels[400:], p))
    together = calibration.scores((a / own[0] + b / own[1]) / 2, labels[400:])
    assert logits.calibrate_then_average == pytest.approx(together)
    p = (probabilities(a / own[0]) + probabilities(b / own[1])) / 2
    assert mean_p.calibrate_then_average.nll == pytest.approx(log_loss(labels[400:], p))
    assert mean_p.average_then_calibrate.temperature != logits.average_then_calibrate.temperature


@pytest.mark.parametrize(
    "logits, labels, message",
    [
        (np.zeros((2, 3)), np.array([0]), "2 rows of logits and 1 labels"),
        (np.zeros((0, 3)), np.zeros(0, int), "0 rows"),
        (np.array([[0.0, np.nan]]), np.array([0]), "not finite"),
        (np.zeros((2, 3)), np.array([0, 3]), "from 0 to 3, but the logits have 3 classes"),
        (np.zeros((2, 3)), np.array([-1, 2]), "from -1 to 2"),
    ],
)
def test_refusals(logits, labels, message):
    for function in (calibration.scores, calibration.temperature):
        with pytest.raises(InputError, match=message):
            function(logits, labels)
