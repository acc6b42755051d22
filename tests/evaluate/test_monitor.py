"""The figures of the monitor against plain numpy and scikit-learn, and its verdict."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import Ridge
from tiny import trial

from contrastive_jax.errors import InputError
from contrastive_jax.evaluate.monitor import Monitor, judged, make_monitor, rankme, ridge, spread, verdict


def as_float32(x):
    return jnp.asarray(x, jnp.float32)


def test_rankme_counts_directions():
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(64, 64)))[0]
    x = as_float32(np.repeat(basis[:5], 8, axis=0))  # five directions, equally often
    np.testing.assert_allclose(rankme(x), 5.0, rtol=1e-3)
    s = np.linalg.svd(y := rng.normal(size=(40, 16)), compute_uv=False)
    p = s / s.sum()
    np.testing.assert_allclose(rankme(as_float32(y)), np.exp(-(p * np.log(p)).sum()), rtol=1e-4)


def test_ridge_is_that_of_scikit_learn():
    rng = np.random.default_rng(1)
    x, query = rng.normal(size=(90, 12)), rng.normal(size=(200, 12))
    label = np.argmax(x[:, :4] + 0.5 * rng.normal(size=(90, 4)), axis=1)
    mean, std = x.mean(0), x.std(0)
    fitted = Ridge(alpha=0.1 * 12, fit_intercept=False).fit((x - mean) / std, np.eye(4)[label] - 1 / 4)
    expected = fitted.predict((query - mean) / std).argmax(1)
    ours = ridge(as_float32(x), jnp.asarray(label), as_float32(query), 4)
    assert np.mean(np.asarray(ours) == expected) > 0.99


def test_judged_finds_what_can_be_found():
    rng = np.random.default_rng(2)
    label = jnp.arange(128) % 4
    apart = as_float32(np.eye(4)[label] * 5 + rng.normal(size=(128, 4)))
    found = judged(apart, label, 4, k=5)
    assert found["online_knn"] > 90 and found["online_probe"] > 90
    noise = judged(as_float32(rng.normal(size=(128, 4))), label, 4, k=5)
    assert noise["online_knn"] < 60 and noise["online_probe"] < 60


def figures(x):
    x = as_float32(x)
    return {f"final/{name}": float(value) for name, value in spread(x, x, x).items()}


def test_verdict_tells_health_from_collapse():
    rng = np.random.default_rng(3)
    assert verdict(figures(rng.normal(size=(64, 32)))) == "healthy"
    point = np.ones((64, 32)) + 1e-3 * rng.normal(size=(64, 32))
    assert "'final' has collapsed to a point" in verdict(figures(point))
    line = rng.choice([-1.0, 1.0], size=(64, 1)) * np.ones((1, 32)) + 1e-3 * rng.normal(size=(64, 32))
    assert "effective dimensions" in verdict(figures(line))
    assert verdict({"loss": 1.0}) == ""
    before = figures(rng.normal(size=(64, 32))) | {"final/online_knn": 50.0, "judged": 100.0}
    after = before | {"final/online_knn": 61.0}
    assert verdict(after, before) == "healthy"
    words = verdict(after | {"final/online_knn": 58.0}, before)
    assert "no better than untrained" in words and "k-NN 58.0 %" in words and "above 60.0 %" in words


@pytest.mark.parametrize("devices", [1, 8])
def test_monitor_looks_and_touches_nothing(devices):
    tiny = trial("selfcon_s", devices)
    look = make_monitor(Monitor(examples=64), tiny.method, tiny.training.recipe, tiny.data, 0, tiny.mesh)
    state = tiny.state()
    before = jax.device_get((state.params, state.collections))
    found = look(state)
    assert found["judged"] == 16 and len(found) == 13
    found = {name: value for name, value in found.items() if name != "judged"}
    assert {name.split("/")[0] for name in found} == {"block1", "final"}
    figures = {"alignment", "uniformity", "feature_std", "rankme", "online_knn", "online_probe"}
    assert {name.split("/")[1] for name in found} == figures
    assert all(np.isfinite(value) for value in found.values()) and found.items() <= look(state).items()
    assert jax.tree.all(
        jax.tree.map(np.array_equal, before, jax.device_get((state.params, state.collections)))
    )
    if devices == 8:
        one = trial("selfcon_s", 1)
        alone = make_monitor(Monitor(examples=64), one.method, one.parts.recipe, one.data, 0, one.mesh)
        for name, value in alone(one.state()).items():
            if name == "judged":
                continue
            np.testing.assert_allclose(found[name], value, rtol=2e-3, err_msg=name)


def test_wrong_fields_are_refused():
    with pytest.raises(InputError, match="monitor.examples"):
        Monitor(examples=2)
    with pytest.raises(InputError, match="every_epochs"):
        Monitor(every_epochs=-1.0)
