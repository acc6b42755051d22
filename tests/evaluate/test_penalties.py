"""Logistic and ridge regression against scikit-learn, and the choice of a penalty on a slice."""

import jax
import numpy as np
import pytest
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression, Ridge

from contrastive_jax.errors import InputError
from contrastive_jax.evaluate import logistic, penalties, ridge

CLASSES = 4
GRID = (0.1, 100.0, 3.0)


def data(n: int, dim: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(CLASSES, size=n)
    centres = np.random.default_rng(7).normal(size=(CLASSES, dim))
    return (centres[labels] + 1.5 * rng.normal(size=(n, dim)) + 2).astype(np.float32), labels


X, Y = data(150, 6)


def objective(head, x, y, penalty):
    kernel, bias = (np.asarray(head[name], np.float64) for name in ("kernel", "bias"))
    z = x.astype(np.float64) @ kernel + bias
    return np.sum(logsumexp(z, axis=1) - z[np.arange(len(y)), y]) + penalty / 2 * np.sum(kernel**2)


@pytest.mark.parametrize("penalty, index", [*zip(GRID, range(3))])
def test_logistic_reaches_the_optimum(penalty, index):
    ours = {name: leaf[index] for name, leaf in logistic.fit(X, Y, classes=CLASSES, penalties=GRID).items()}
    model = LogisticRegression(C=1 / penalty, tol=1e-9, max_iter=10_000).fit(X.astype(np.float64), Y)
    theirs = {"kernel": model.coef_.T, "bias": model.intercept_}
    assert objective(ours, X, Y, penalty) == pytest.approx(objective(theirs, X, Y, penalty), rel=1e-6)
    np.testing.assert_allclose(ours["kernel"], theirs["kernel"], atol=2e-3)


def test_logistic_in_float64(x64):
    ours = logistic.fit(X.astype(np.float64), Y, classes=CLASSES, penalties=(3.0,), tolerance=1e-10)
    model = LogisticRegression(C=1 / 3, tol=1e-10, max_iter=10_000).fit(X.astype(np.float64), Y)
    np.testing.assert_allclose(ours["kernel"][0], model.coef_.T, atol=1e-6)
    np.testing.assert_allclose(ours["bias"][0] - ours["bias"][0].mean(), model.intercept_, atol=1e-5)


def test_separable_classes_at_a_weak_penalty():
    """The optimum is far from the start and its objective small: the tolerance is relative to it."""
    x = np.repeat(np.eye(CLASSES, dtype=np.float32), 5, axis=0)
    y = np.repeat(np.arange(CLASSES), 5)
    ours = logistic.fit(x, y, classes=CLASSES, penalties=(1e-4,))
    ours = {name: leaf[0] for name, leaf in ours.items()}
    model = LogisticRegression(C=1e4, tol=1e-12, max_iter=10_000).fit(x.astype(np.float64), y)
    best = objective({"kernel": model.coef_.T, "bias": model.intercept_}, x, y, 1e-4)
    assert objective(ours, x, y, 1e-4) == pytest.approx(best, rel=1e-5)


def test_too_few_steps_are_said():
    with pytest.warns(UserWarning, match="after 2 steps at the penalties 0.1, 3"):
        logistic.fit(X, Y, classes=CLASSES, penalties=(0.1, 1e9, 3.0), steps=2)


@pytest.mark.parametrize("n, dim", [(150, 6), (10, 25)])
def test_ridge(n, dim, monkeypatch):
    monkeypatch.setattr(ridge, "ROWS_AT_A_TIME", 64)
    x, y = data(n, dim)
    ours = ridge.fit(x, y, classes=CLASSES, penalties=GRID)
    for i, penalty in enumerate(GRID):
        model = Ridge(alpha=penalty, solver="cholesky").fit(x.astype(np.float64), np.eye(CLASSES)[y])
        np.testing.assert_allclose(ours["kernel"][i], model.coef_.T, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(ours["bias"][i], model.intercept_, rtol=1e-6)


def test_grids():
    assert len(penalties.TRANSFER) == len(penalties.DINOV3) == 45
    assert penalties.TRANSFER[0] == pytest.approx(1e-6) and penalties.TRANSFER[-1] == pytest.approx(1e5)
    assert penalties.DINOV3[0] == pytest.approx(1e6) and penalties.DINOV3[-1] == pytest.approx(1e-5)
    assert penalties.VISSL[0] == pytest.approx(100) and len(penalties.VISSL) == 11


@pytest.mark.parametrize("fit", [logistic.fit, ridge.fit])
def test_choice_on_the_held_out_rows(fit):
    """The penalty with the best accuracy on the held-out rows wins, and the head is fitted on all rows."""
    x, y = data(90, 30)
    kept, held = np.arange(60), np.arange(60, 90)
    grid = (1e-3, 30.0, 1e6)
    found = penalties.choose(fit, x, y, classes=CLASSES, penalties=grid, kept=kept, held=held)
    path = fit(x[:60], y[:60], classes=CLASSES, penalties=grid)
    right = [
        100 * np.mean(np.argmax(x[60:] @ k + b, axis=1) == y[60:])
        for k, b in zip(np.asarray(path["kernel"]), np.asarray(path["bias"]))
    ]
    assert [*found.held_out.values()] == pytest.approx(right) and len({*right}) > 1
    assert found.penalty == grid[int(np.argmax(right))]
    again = fit(x, y, classes=CLASSES, penalties=(found.penalty,))
    jax.tree.map(lambda ours, theirs: np.testing.assert_array_equal(ours, theirs[0]), found.head, again)
    best = grid.index(found.penalty)
    jax.tree.map(lambda ours, theirs: np.testing.assert_array_equal(ours, theirs[best]), found.kept, path)


def test_the_first_of_equally_good_penalties_is_chosen():
    x, y = data(60, 6)
    for grid in ((1.0, 1.0001), (1.0001, 1.0)):
        found = penalties.choose(
            ridge.fit, x, y, classes=CLASSES, penalties=grid, kept=np.arange(40), held=np.arange(40, 60)
        )
        assert len({*found.held_out.values()}) == 1 and found.penalty == grid[0]


@pytest.mark.parametrize("fit", [logistic.fit, ridge.fit])
def test_refusals(fit):
    with pytest.raises(InputError, match="not 3 classes"):
        fit(X, Y, classes=3, penalties=(1.0,))
    with pytest.raises(InputError, match="not 4 classes"):
        fit(X, Y - 1, classes=4, penalties=(1.0,))
    for grid in ((), (1.0, 0.0), (float("nan"),)):
        with pytest.raises(InputError, match="all above 0"):
            fit(X, Y, classes=4, penalties=grid)
