"""Bounds on mutual information: formulas in NumPy, order among them, and MINE's gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from contrastive_jax.losses import mutual_information as mi

N = 7
OFF = ~np.eye(N, dtype=bool)


@pytest.fixture
def f(x64):
    return np.random.default_rng(0).normal(size=(N, N)) + 2 * np.eye(N)


def numpy_bounds(f):
    joint, marginal = np.mean(np.diag(f)), np.mean(np.exp(f)[OFF])
    rows = np.exp(f).sum(axis=1)
    weights = np.where(OFF, (N - 0.3) / (N * (N - 1)), 0.3 / N)
    clipped = np.mean(np.exp(np.clip(f, -1, 1))[OFF])
    return {
        mi.infonce: np.log(N) + np.mean(np.diag(f) - np.log(rows)),
        mi.nwj: 1 + np.mean(np.diag(f) - 1) - np.mean(np.exp(f - 1)[OFF]),
        mi.donsker_varadhan: joint - np.log(marginal),
        mi.jensen_shannon: 1 + np.mean(np.diag(f) - 1) - np.mean(np.exp(f - 1)[OFF]),
        mi.smile: joint - np.log(marginal),
        lambda f: mi.smile(f, clip=1.0): joint - np.log(clipped),
        lambda f: mi.cpc(f, alpha=0.3): np.mean(np.diag(f) - np.log((weights * np.exp(f)).sum(axis=1))),
        lambda f: mi.ml_cpc(f, alpha=0.3): joint - np.log((weights * np.exp(f)).sum() / N),
        lambda f: mi.mine(f, average=2.0)[0]: joint - np.log(marginal),
        lambda f: mi.mine(f, average=2.0)[1]: marginal,
    }


def test_formulas(f):
    for i, (bound, expected) in enumerate(numpy_bounds(f).items()):
        assert jax.jit(bound)(f) == pytest.approx(expected, rel=1e-12), i


def test_limits(f):
    """CPC with weight 1 is InfoNCE; neither passes its ceiling however large the scores."""
    cpc, infonce, ml_cpc = (jax.jit(bound)(f) for bound in (mi.cpc, mi.infonce, mi.ml_cpc))
    np.testing.assert_allclose(cpc, infonce, rtol=1e-12)
    perfect = jnp.asarray(100.0 * np.eye(N))
    assert mi.infonce(perfect) == pytest.approx(np.log(N))
    assert mi.cpc(perfect, alpha=0.1) == pytest.approx(np.log(N / 0.1))
    assert ml_cpc <= infonce + 1e-12


def test_mine_divides_the_marginals_gradient_by_the_moving_average(f):
    gradient = jax.jit(jax.grad(lambda f: mi.mine(f, average=2.0, momentum=0.9)[0]))(f)
    marginal = np.exp(f) * OFF / (N * (N - 1))
    expected = np.eye(N) / N - marginal / (0.9 * 2.0 + 0.1 * marginal.sum())
    np.testing.assert_allclose(gradient, expected, rtol=1e-12)


def test_js_and_smile_share_a_gradient(f):
    js, smile = (jax.jit(jax.grad(bound))(f) for bound in (mi.jensen_shannon, mi.smile))
    sigmoid = 1 / (1 + np.exp(-f))
    expected = np.where(OFF, -sigmoid / (N * (N - 1)), (1 - sigmoid) / N)
    np.testing.assert_allclose(js, expected, rtol=1e-12)
    np.testing.assert_allclose(smile, expected, rtol=1e-12)


def test_large_scores_stay_finite():
    f = jnp.full((N, N), 500.0, jnp.float32)
    for bound in (mi.infonce, mi.cpc, mi.ml_cpc, mi.donsker_varadhan, mi.smile):
        value, gradient = jax.jit(jax.value_and_grad(bound))(f)
        assert np.isfinite(value) and np.isfinite(gradient).all(), bound.__name__
