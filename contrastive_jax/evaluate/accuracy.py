"""Top-k hits, the mean accuracy of classes, and the ensemble of exits."""

from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from contrastive_jax.models.outputs import FINAL

ENSEMBLE = "ensemble"
TOP = (1, 5)
ROWS_AT_A_TIME = 2048


def hits(
    logits: Float[Array, "*heads n classes"], labels: Int[Array, " n"], k: int
) -> Bool[Array, "*heads n"]:
    """Whether the label is among the k largest logits; equal logits rank by class, NaN counts as a miss."""
    classes = jnp.arange(logits.shape[-1])
    own = jnp.take_along_axis(logits, _like(labels[:, None], logits), axis=-1)
    not_below = ~(logits <= own)  # true for NaN, so that a diverged classifier never scores
    before = _like(classes[None, :] < labels[:, None], logits)
    rank = jnp.sum(not_below | ((logits == own) & before), axis=-1)
    return rank < k


def mean_per_class(predictions: Int[np.ndarray, " n"], labels: Int[np.ndarray, " n"]) -> float:
    """Mean over classes of the share of their examples that are classified correctly, in percent.

    The metric of Aircraft, Pets, Caltech-101 and Flowers (Chen et al. 2020, B.8). Classes without test examples are
    excluded from the mean.
    """
    counts = np.bincount(labels)
    correct = np.bincount(labels[predictions == labels], minlength=len(counts))
    return 100 * float(np.mean(correct[counts > 0] / counts[counts > 0]))


def with_ensemble(logits: dict[str, Float[Array, "*heads n classes"]]) -> dict[str, Array]:
    """The exits' logits and, where there are several exits, their mean under the name `ensemble`."""
    if len(logits) == 1:
        return logits
    return {**logits, ENSEMBLE: jnp.mean(jnp.stack([*logits.values()], axis=0), axis=0)}


def ordered(names: Iterable[str]) -> list[str]:
    """Sub-networks in depth order, then the backbone, then the ensemble."""
    return sorted(names, key=lambda name: (name == ENSEMBLE, name == FINAL, name))


def top_hits(
    scores: Float[Array, "*heads n classes"], labels: Int[Array, " n"]
) -> Bool[Array, "top *heads n"]:
    """Whether the label is among the largest and among the five largest logits."""
    return jnp.stack([hits(scores, labels, k) for k in TOP], axis=0)


def sums(
    measure: Callable[[Array, Array], Array],
    scores_of: Callable[[Any], dict[str, Float[Array, "*heads rows classes"]]],
    inputs: Any,
    labels: Int[Array, " n"],
) -> dict[str, Array]:
    """A measure of logits, summed over the rows, for each name and the ensemble.

    Args:
        measure: of logits [*heads, n, classes] and labels [n], with the rows last: `top_hits`, for example.
        scores_of: from some rows of `inputs` to their logits. It is called on blocks of rows, so that the logits of a
            large test set are never in memory at once.
        inputs: a pytree of arrays [n, ...].
    """

    def of_row(row):
        x, label = row
        scores = with_ensemble(scores_of(jax.tree.map(lambda value: value[None], x)))
        return {name: measure(z, label[None])[..., 0] for name, z in scores.items()}

    found = jax.lax.map(of_row, (inputs, labels), batch_size=ROWS_AT_A_TIME)
    return jax.tree.map(lambda rows: jnp.sum(rows, axis=0), found)


def _like(rows: Array, logits: Array) -> Array:
    """`rows` [n, m] with leading axes of size one, to broadcast against logits [*heads, n, classes]."""
    return rows.reshape((1,) * (logits.ndim - 2) + rows.shape)
