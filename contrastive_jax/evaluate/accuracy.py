"""Top-k hits, and the ensemble of exits."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

ENSEMBLE = "ensemble"
TOP = (1, 5)


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


def with_ensemble(logits: dict[str, Float[Array, "*heads n classes"]]) -> dict[str, Array]:
    """The exits' logits and, where there are several exits, their mean under the name `ensemble`."""
    if len(logits) == 1:
        return logits
    return {**logits, ENSEMBLE: jnp.mean(jnp.stack([*logits.values()], axis=0), axis=0)}


def _like(rows: Array, logits: Array) -> Array:
    """`rows` [n, m] with leading axes of size one, to broadcast against logits [*heads, n, classes]."""
    return rows.reshape((1,) * (logits.ndim - 2) + rows.shape)
