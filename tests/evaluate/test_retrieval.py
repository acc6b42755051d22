"""Retrieval figures against a loop written from their definition, and on embeddings where they are known."""

import numpy as np
import pytest

from contrastive_jax.errors import InputError
from contrastive_jax.evaluate import retrieval

RNG = np.random.default_rng(0)


def by_hand(x, labels):
    """Precision at 1, R-precision and MAP@R of every example that is not alone in its class."""
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    found = []
    for i, label in enumerate(labels):
        others = [j for j in sorted(range(len(x)), key=lambda j: -float(x[i] @ x[j])) if j != i]
        r = sum(labels[j] == label for j in others)
        if r:
            hits = [labels[j] == label for j in others[:r]]
            precisions = [sum(hits[: k + 1]) / (k + 1) for k in range(r) if hits[k]]
            found.append((hits[0], sum(hits) / r, sum(precisions) / r))
    return np.transpose(found)


def test_against_a_loop(monkeypatch):
    monkeypatch.setattr(retrieval, "ROWS_AT_A_TIME", 7)
    labels = np.append(RNG.integers(4, size=40), 4)  # the last is alone in its class
    x = RNG.normal(size=(41, 5)) + 1.5 * np.eye(5)[labels]
    found = retrieval.ranked(x, labels)
    assert len(found.map_at_r) == 40
    np.testing.assert_allclose(found, by_hand(x, labels), atol=1e-12)
    assert 0.1 < found.map_at_r.mean() < found.r_precision.mean() < 0.9


def test_perfect_clusters():
    labels = np.repeat(np.arange(3), 10)
    x = np.eye(3)[labels] + 0.01 * RNG.normal(size=(30, 3))
    np.testing.assert_array_equal(retrieval.ranked(x, labels), 1)
    assert retrieval.nmi(10 * x, labels, seed=0) == pytest.approx(1)
    assert retrieval.nmi(RNG.normal(size=(30, 3)), labels, seed=0) < 0.6


def test_every_class_has_one_example():
    with pytest.raises(InputError, match="no class has two examples"):
        retrieval.ranked(np.eye(3), np.arange(3))
