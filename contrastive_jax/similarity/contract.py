"""The contract of the similarity engine: what goes in and what comes out, whichever implementation computes it.

Nearly every loss of the five papers is arithmetic on a few statistics per anchor of the scaled similarities
`S = A C^T / tau`. Two integers per embedding (`row`, `group`) decide which pairs take part and which are positive;
there is no mask in memory.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from contrastive_jax.errors import InputError, nearest

NO_IDENTITY = -1
"""`Rows.row` of an embedding that is never left out of a pair. Any negative integer means the same."""
NO_GROUP = -1
"""`Rows.group` of an embedding that has no positives."""
L_OUT = ("lse", "pos_sum", "pos_count")
"""The statistics of SupCon's L_out."""

Scalar = float | Float[Array, ""]
"""A hyper-parameter: a number, or a traced scalar that a schedule gives."""


class Rows(NamedTuple):
    """One set of embeddings: all of it in the global view, this device's shard inside `shard_map`.

    `Rows.of_views`, `Rows.of_keys` and `Rows.unlabelled` build the usual sets; `Rows(z, row, group)` any other.
    Where anchors and contrasts are the same set, pass the *same* `Rows` object as both: the engine then sees the
    symmetry and halves its backward pass.

    >>> import jax.numpy as jnp
    >>> z = jnp.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    >>> Rows(z, row=jnp.arange(3), group=jnp.array([4, 4, NO_GROUP])).group
    Array([ 4,  4, -1], dtype=int32)
    """

    z: Float[Array, "n dim"]
    """Embeddings, L2-normalised by the caller where the loss asks for it."""
    row: Int[Array, " n"]
    """Identity. A pair of equal identities is left out. Negative: no identity, so no pair is left out (bank or queue
    entries, or a loss that keeps the pair of an embedding with itself)."""
    group: Int[Array, " n"]
    """A pair of equal groups is positive (the label or the instance; any integer); -1: no group."""

    @classmethod
    def of_views(
        cls,
        z: Float[Array, "sample view dim"],
        group: Int[Array, " sample"],
        chosen: slice | Int[np.ndarray, " kept"] = slice(None),
    ) -> "Rows":
        """Every view (or exit) of every sample, sample by sample, each with an identity.

        Args:
          z: embeddings.
          group: of each sample; all its views share it.
          chosen: the views to keep. They keep the identities that they have among all views, so that these rows can
            be anchors against the rows of all views.

        Returns:
          `sample * view` rows.

        >>> import jax.numpy as jnp
        >>> z, label = jnp.ones((2, 3, 8)), jnp.array([5, 9])
        >>> rows = Rows.of_views(z, label)
        >>> rows.row, rows.group
        (Array([0, 1, 2, 3, 4, 5], dtype=int32), Array([5, 5, 5, 9, 9, 9], dtype=int32))
        >>> Rows.of_views(z, label, slice(1)).row
        Array([0, 3], dtype=int32)
        """
        samples, views, dim = z.shape
        row = jnp.arange(samples * views).reshape(samples, views)[:, chosen]
        return cls(z[:, chosen].reshape(-1, dim), row.reshape(-1), jnp.repeat(group, row.shape[1]))

    @classmethod
    def of_keys(cls, z: Float[Array, "n dim"], group: Int[Array, " n"]) -> "Rows":
        """Rows with a group but no identity: a teacher's keys, or the labelled entries of a queue or bank."""
        return cls(z, jnp.full_like(group, NO_IDENTITY), group)

    @classmethod
    def unlabelled(cls, z: Float[Array, "n dim"]) -> "Rows":
        """Rows with neither identity nor group: every pair is valid, none is positive."""
        none = jnp.full(z.shape[0], NO_IDENTITY)
        return cls(z, none, none)

    def joined(self, others: "Rows") -> "Rows":
        """Both sets as one: for example a batch's rows followed by those of a bank or queue."""
        return Rows(*(jnp.concatenate(pair) for pair in zip(self, others)))


class RowStats(NamedTuple):
    """Statistics per anchor, in float32 or wider. A statistic that was not asked for is None."""

    lse: Float[Array, " n"] | None = None
    """Log-sum-exp over all valid contrasts. Never -inf: without any it is the dtype's lowest number."""
    pos_sum: Float[Array, " n"] | None = None
    """Sum of the positive logits; 0 without positives."""
    pos_lse: Float[Array, " n"] | None = None
    """Log-sum-exp of the positive logits."""
    neg_lse: Float[Array, " n"] | None = None
    """Log-sum-exp of the negative logits (valid and not positive)."""
    pos_count: Float[Array, " n"] | None = None
    """Number of positives; carries no gradient."""


class PairMask(NamedTuple):
    """Pairs that two integers per embedding cannot express. Only `dense` takes it."""

    valid: Bool[Array, "n k"] | None = None
    """Pairs that take part, in place of the rule on `row`."""
    positive: Bool[Array, "n k"] | Float[Array, "n k"] | None = None
    """Positive pairs, or their weights >= 0 (multi-label overlap), in place of the rule on `group`. A pair that is
    not valid is not positive either. Weights multiply in `pos_sum`, `pos_count` and inside `pos_lse`."""


class Scores(NamedTuple):
    """A matrix of scaled similarities, `anchors @ contrasts.T / tau`, not yet multiplied out."""

    anchors: Float[Array, "n dim"]
    contrasts: Float[Array, "k dim"]
    tau: Scalar


def compute_dtype(*arrays: Array) -> jnp.dtype:
    """float32, or wider where an input is."""
    return jnp.result_type(jnp.float32, *arrays)


def lowest(dtype: jnp.dtype) -> float:
    """The dtype's lowest number, used as the log of an empty sum."""
    return float(jnp.finfo(dtype).min)


def same_arrays(anchors: Iterable[Array], contrasts: Iterable[Array]) -> bool:
    """Whether anchors and contrasts are the same arrays, not merely equal ones."""
    return all(a is c for a, c in zip(anchors, contrasts))


def check_want(want: Sequence[str]) -> None:
    """Raises `InputError` for a statistic that does not exist."""
    for name in want:
        if name not in RowStats._fields:
            raise InputError(f"Unknown row statistic '{name}': {nearest(name, RowStats._fields)}")


def check_rows(name: str, rows: Rows) -> None:
    """Raises `InputError` unless z is [n, dim] and row and group are [n]."""
    n = rows.z.shape[0]
    if rows.z.ndim != 2 or rows.row.shape != (n,) or rows.group.shape != (n,):
        raise InputError(
            f"{name} need z [n, dim], row [n] and group [n], got {rows.z.shape}, {rows.row.shape} and "
            f"{rows.group.shape}: flatten views and exits into rows first."
        )


def check_dims(anchors: Array, contrasts: Array) -> None:
    """Raises `InputError` unless both sets of embeddings have the same dimension."""
    if anchors.shape[1] != contrasts.shape[1]:
        raise InputError(
            f"Anchors have dimension {anchors.shape[1]} and contrasts {contrasts.shape[1]}: "
            "project both to the same dimension."
        )
