"""Networks in named parts: a pass concerns the variables of its part only."""

import flax.linen as nn
import jax
import numpy as np
import pytest

from contrastive_jax.models import parts
from contrastive_jax.models.heads import ProjectionHead

KEY = jax.random.key(0)
X = jax.random.normal(KEY, (6, 5))
HEAD = ProjectionHead(dim=5, hidden=4, hidden_norm=True)
PLAIN = ProjectionHead(dim=5, hidden=4)


def variables(module: nn.Module, seed: int):
    return jax.jit(module.init, static_argnums=2)(jax.random.key(seed), X, True)


@pytest.fixture(scope="module")
def network():
    """Parameters and collections of three parts, one of them without statistics."""
    return parts.collect(first=variables(HEAD, 0), second=variables(HEAD, 1), plain=variables(PLAIN, 2))


def test_variables_are_collected_by_collection_and_part(network):
    params, collections = network
    assert params.keys() == {"first", "second", "plain"}
    assert collections.keys() == {"batch_stats"}
    assert collections["batch_stats"].keys() == {"first", "second"}


def test_a_pass_uses_and_updates_its_part(network):
    params, collections = network
    z, after = parts.train("second", HEAD, params, collections, X)
    expected, new = HEAD.apply(variables(HEAD, 1), X, True, mutable=["batch_stats"])
    np.testing.assert_array_equal(z, expected)
    jax.tree.map(np.testing.assert_array_equal, after["batch_stats"]["second"], new["batch_stats"])
    assert after["batch_stats"]["first"] is collections["batch_stats"]["first"]
    evaluated = parts.evaluate("second", HEAD, params, after, X)
    np.testing.assert_array_equal(evaluated, HEAD.apply({**variables(HEAD, 1), **new}, X, False))


def test_a_part_without_collections(network):
    params, collections = network
    z, after = parts.train("plain", PLAIN, params, collections, X)
    np.testing.assert_array_equal(z, PLAIN.apply(variables(PLAIN, 2), X, True))
    assert after == collections


def test_pruning_keeps_the_branches_of_another_tree():
    tree = {"a": {"b": 1, "c": 2}, "d": 3}
    assert parts.prune(tree, {"a": {"b": 0}}) == {"a": {"b": 1}}
