"""Passes through a Linen module: what is updated, what stays the same object, and where the key goes."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from contrastive_jax.models.apply import apply_eval, apply_train
from contrastive_jax.models.batch_norm import BatchNorm

KEY = jax.random.key(0)
ROWS = jax.random.normal(KEY, (8, 3))


class Module(nn.Module):
    """BatchNorm and dropout, a frozen array, and statistics that no later pass reads."""

    def setup(self):
        self.norm, self.unused, self.dropout = BatchNorm(), BatchNorm(), nn.Dropout(0.5)
        self.shift = self.variable("frozen", "shift", jnp.ones, ())

    def __call__(self, x, train):
        if self.is_initializing():
            self.unused(x, train)
        return self.dropout(self.normalised(x, train) + self.shift.value, deterministic=not train)

    def normalised(self, x, train):
        return self.norm(x, train)


@pytest.fixture(scope="module")
def parts():
    collections = dict(Module().init({"params": KEY, "dropout": KEY}, ROWS, True))
    return collections.pop("params"), collections


def test_a_pass_updates_the_statistics_that_it_computes_and_nothing_else(parts):
    params, collections = parts
    _, after = apply_train(Module(), params, collections, ROWS, key=KEY)
    before = collections["batch_stats"]
    np.testing.assert_allclose(after["batch_stats"]["norm"]["norm"]["mean"], 0.1 * ROWS.mean(0), rtol=1e-5)
    assert jax.tree.structure(after) == jax.tree.structure(collections)
    for found, expected in [
        (after["frozen"], collections["frozen"]),
        (after["batch_stats"]["unused"], before["unused"]),
    ]:
        assert all(a is b for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True))
    assert (before["norm"]["norm"]["mean"] == 0).all()  # the input is not changed in place


def test_the_key_reaches_dropout(parts):
    outputs = [apply_train(Module(), *parts, ROWS, key=jax.random.key(seed))[0] for seed in (0, 0, 1)]
    np.testing.assert_array_equal(outputs[0], outputs[1])
    assert (outputs[0] != outputs[2]).any()


def test_evaluation_uses_the_running_statistics_and_needs_no_key(parts):
    np.testing.assert_allclose(apply_eval(Module(), *parts, ROWS), ROWS / np.sqrt(1 + 1e-5) + 1, atol=1e-6)


def test_a_method_of_the_module_is_called_in_both_modes(parts):
    trained, _ = apply_train(Module(), *parts, ROWS, method=Module.normalised)
    np.testing.assert_allclose(trained.mean(0), np.zeros(3), atol=1e-6)
    evaluated = apply_eval(Module(), *parts, ROWS, method="normalised")
    np.testing.assert_allclose(evaluated, ROWS / np.sqrt(1 + 1e-5), rtol=1e-6)


def test_a_module_without_collections():
    class Scale(nn.Module):
        @nn.compact
        def __call__(self, x, train):
            return x * self.param("scale", nn.initializers.ones, ())

    output, collections = apply_train(Scale(), {"scale": 2.0}, {}, ROWS)
    np.testing.assert_array_equal(output, 2 * ROWS)
    assert collections == {}
