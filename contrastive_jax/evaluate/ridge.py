"""Ridge regression onto one-hot labels in closed form, for a grid of penalties from one decomposition.

    minimise over W, b:  sum over rows of |x W + b - onehot(label)|^2 + penalty |W|^2,  the intercept b free
    W = V diag(1 / (s^2 + penalty)) V^T X^T Y,  X^T X = V diag(s^2) V^T,  X and Y centred

The predicted class has the largest x W + b. `penalties.choose` chooses the penalty, as for logistic regression.
"""

import numpy as np
from jaxtyping import Float, Int

from contrastive_jax.evaluate.penalties import Head, check

ROWS_AT_A_TIME = 8192


def fit(
    x: Float[np.ndarray, "n dim"],
    labels: Int[np.ndarray, " n"],
    *,
    classes: int,
    penalties: tuple[float, ...],
) -> Head:
    """Classifiers for all penalties, computed on the host in float64.

    Args:
      x: features; a memory map is read twice in blocks of rows, and never as a whole if n >= dim.
      labels: classes, from 0.
      classes: number of classes.
      penalties: weights of |W|^2, positive, in any order.

    Returns:
      {"kernel": [penalties, dim, classes], "bias": [penalties, classes]}, in the order of `penalties`.

    Raises:
      InputError: labels outside the classes, or a penalty that is not positive.
    """
    check(labels, classes, penalties)
    labels, n = np.asarray(labels), len(x)
    mean = sum(block.sum(axis=0) for block, _ in _blocks(x, labels)) / n
    share = np.bincount(labels, minlength=classes) / n
    products = np.zeros((x.shape[1], classes))  # X^T Y; centring X alone suffices
    for block, rows in _blocks(x, labels):
        products += (block - mean).T @ np.eye(classes)[rows]
    vectors, squares = _decompose(x, labels, mean)
    projected = vectors.T @ products
    kernel = np.stack([vectors @ (projected / (squares + p)[:, None]) for p in penalties])
    return {"kernel": kernel, "bias": share - mean @ kernel}


def _decompose(x, labels, mean) -> tuple[Float[np.ndarray, "dim rank"], Float[np.ndarray, " rank"]]:
    """V and s^2 of the centred features."""
    n, dim = x.shape
    if n < dim:
        _, s, vectors = np.linalg.svd(np.asarray(x, np.float64) - mean, full_matrices=False)
        return vectors.T, s**2
    gram = np.zeros((dim, dim))
    for block, _ in _blocks(x, labels):
        centred = block - mean
        gram += centred.T @ centred
    squares, vectors = np.linalg.eigh(gram)
    return vectors, np.maximum(squares, 0)


def _blocks(x, labels):
    for start in range(0, len(x), ROWS_AT_A_TIME):
        rows = slice(start, start + ROWS_AT_A_TIME)
        yield np.asarray(x[rows], np.float64), labels[rows]
