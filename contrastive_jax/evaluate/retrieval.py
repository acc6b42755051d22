"""How well an embedding ranks a labelled set for each of its own examples (Musgrave et al. 2020), and clusters it.

For an example with R others of its class, all others are ranked by cosine similarity:

    precision at 1 = whether the first is of its class
    R-precision    = share of its class among the first R
    MAP@R          = 1 / R sum over the ranks i <= R that hold its class of the precision at i

Examples that are alone in their class are excluded. NMI compares the classes with as many k-means clusters.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from contrastive_jax.errors import InputError

ROWS_AT_A_TIME = 256
EPSILON = 1e-12


class Ranked(NamedTuple):
    """One value for every example that is not alone in its class, from 0 to 1."""

    precision_at_1: Float[np.ndarray, " n"]
    r_precision: Float[np.ndarray, " n"]
    map_at_r: Float[np.ndarray, " n"]


def ranked(x: Float[np.ndarray, "n dim"], labels: Int[np.ndarray, " n"]) -> Ranked:
    """The three figures of every example.

    Args:
      x: features, not necessarily normalised.
      labels: classes, from 0.

    Raises:
      InputError: no class has two examples.
    """
    x = _unit(x)
    others = np.bincount(labels)[labels] - 1
    if not others.any():
        raise InputError("no class has two examples, so none can be retrieved: judge on a larger set.")
    deepest, found = int(others.max()), []
    for start in range(0, len(x), ROWS_AT_A_TIME):
        rows = np.arange(start, min(start + ROWS_AT_A_TIME, len(x)))
        similarity = x[rows] @ x.T
        similarity[np.arange(len(rows)), rows] = -np.inf  # an example does not retrieve itself
        near = _largest(similarity, deepest)
        within = np.arange(1, deepest + 1) <= others[rows, None]
        hit = (labels[near] == labels[rows, None]) & within
        count = np.maximum(others[rows], 1)
        precision = np.cumsum(hit, axis=1) / np.arange(1, deepest + 1)
        found.append(np.stack([hit[:, 0], hit.sum(axis=1) / count, (precision * hit).sum(axis=1) / count]))
    return Ranked(*np.concatenate(found, axis=1)[:, others > 0].astype(np.float64))


def nmi(x: Float[np.ndarray, "n dim"], labels: Int[np.ndarray, " n"], *, seed: int) -> float:
    """Normalised mutual information of the classes and as many clusters of the L2-normalised features, from 0 to 1.

    seed: of k-means, which starts once (k-means++).
    """
    from sklearn.cluster import KMeans  # a second to import
    from sklearn.metrics import normalized_mutual_info_score

    model = KMeans(len(np.unique(labels)), random_state=seed)
    return float(normalized_mutual_info_score(labels, model.fit_predict(_unit(x))))


def _largest(values: Float[np.ndarray, "rows n"], count: int) -> Int[np.ndarray, "rows count"]:
    """Columns of the largest values of each row, largest first."""
    some = np.argpartition(-values, count - 1, axis=1)[:, :count]
    order = np.argsort(-np.take_along_axis(values, some, axis=1), axis=1, kind="stable")
    return np.take_along_axis(some, order, axis=1)


def _unit(x):
    x = np.asarray(x, np.float32)
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), EPSILON)
