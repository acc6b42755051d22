"""Grids of penalties for classifiers in closed or convex form, and the choice of one on a held-out slice.

Penalties are those of `logistic.fit`; published values C of scikit-learn are 1 / penalty. Of penalties with equal
accuracy on the slice the first of the grid wins, as in the published code, so the order of a grid is part of it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Float, Int

from contrastive_jax.errors import InputError
from contrastive_jax.evaluate.selection import accuracy

Head = dict[str, Any]
"""{"kernel": [penalties, dim, classes], "bias": [penalties, classes]}, or without the first axis."""

TRANSFER = tuple(10.0 ** np.linspace(-6, 5, 45))
"""SimCLR's linear transfer (Chen et al. 2020, B.8): 45 penalties, weak to strong."""
DINOV3 = tuple(10.0 ** -np.linspace(-6, 5, 45))
"""DINOv2 and DINOv3: the 45 values are those of C, so the penalties run from 1e6 down to 1e-5."""
VISSL = tuple(1 / c for c in (0.01, 0.1, 1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 50.0, 100.0, 1000.0))
"""The costs C that VISSL tries for its linear SVMs on VOC07."""


class Chosen(NamedTuple):
    """The classifier that a grid led to."""

    penalty: float
    head: Head
    """{"kernel": [dim, classes], "bias": [classes]}, fitted on all rows."""
    kept: Head
    """The same fitted without the held-out rows, on which a temperature or a threshold can still be chosen."""
    held_out: dict[float, float]
    """Top-1 in percent on the held-out rows for every penalty."""


def choose(
    fit: Callable[..., Head],
    x: Float[Array | np.ndarray, "n dim"],
    labels: Int[np.ndarray, " n"],
    *,
    classes: int,
    penalties: tuple[float, ...],
    kept: Int[np.ndarray, " kept"],
    held: Int[np.ndarray, " held"],
) -> Chosen:
    """Fits the grid on the rows `kept`, takes the penalty with the best top-1 on the rows `held`, refits on all rows.

    Args:
      fit: `logistic.fit` or `ridge.fit`.
      x: training features.
      labels: classes, from 0.
      penalties: a grid, such as `TRANSFER`.
      kept, held: row numbers, as `selection.holdout_split` returns them.
    """
    heads = fit(x[kept], labels[kept], classes=classes, penalties=penalties)
    top1 = accuracy({"x": heads}, {"x": x[held]}, labels[held])["x"][0]
    place = int(np.argmax(top1))
    best = penalties[place]
    head = fit(x, labels, classes=classes, penalties=(best,))
    return Chosen(
        best,
        {name: leaf[0] for name, leaf in head.items()},
        {name: leaf[place] for name, leaf in heads.items()},
        dict(zip(penalties, map(float, top1))),
    )


def check(labels: Int[Array | np.ndarray, " n"], classes: int, penalties: tuple[float, ...]) -> None:
    """Refuses what no classifier can be fitted to."""
    if not len(labels) or np.min(labels) < 0 or np.max(labels) >= classes:
        raise InputError(f"the training labels are not {classes} classes counted from 0.")
    if not penalties or not min(penalties) > 0:
        raise InputError(f"the penalties are {penalties}: give at least one, all above 0.")
