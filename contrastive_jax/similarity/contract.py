"""The contract of the similarity engine: what goes in, what comes out, whatever computes it.

Nearly every loss of the five papers is arithmetic on a few statistics per anchor of the scaled
similarities `S = A C^T / tau`. Which pairs take part, and which are positive, is said by two integers
per embedding (`row`, `group`), never by a matrix in memory.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from contrastive_jax.errors import InputError, nearest

NO_IDENTITY = -1
NO_GROUP = -1
L_OUT = ("lse", "pos_sum", "pos_count")


class Rows(NamedTuple):
    """One set of embeddings: all of it in the global view, this device's shard inside `shard_map`.

    Pass the *same* `Rows` object as anchors and contrasts where they are the same set: the engine sees the
    symmetry and halves its backward pass.
    """

    z: Float[Array, "n dim"]
    """Embeddings, L2-normalised by the caller where the loss asks for it."""
    row: Int[Array, " n"]
    """Identity. A pair with equal rows is left out; negative: no identity (bank or queue entries, or a loss
    that keeps the self pair by name)."""
    group: Int[Array, " n"]
    """A pair with equal groups is positive (the label, or the instance; any integer); -1: no group."""

    @classmethod
    def of_views(
        cls,
        z: Float[Array, "sample view dim"],
        group: Int[Array, " sample"],
        chosen: slice | Int[np.ndarray, " kept"] = slice(None),
    ) -> "Rows":
        """Every view (or exit) of every sample, sample-major, each with its own identity.

        `chosen` keeps some of the views, with the identities that they have among all: anchors that are only part
        of the contrasts.
        """
        samples, views, dim = z.shape
        row = jnp.arange(samples * views).reshape(samples, views)[:, chosen]
        return cls(z[:, chosen].reshape(-1, dim), row.reshape(-1), jnp.repeat(group, row.shape[1]))

    @classmethod
    def of_keys(cls, z: Float[Array, "n dim"], group: Int[Array, " n"]) -> "Rows":
        """Rows with a group and no identity: a teacher's keys, or the labelled entries of a queue or bank."""
        return cls(z, jnp.full_like(group, NO_IDENTITY), group)

    @classmethod
    def unlabelled(cls, z: Float[Array, "n dim"]) -> "Rows":
        """Rows with neither identity nor group: every pair is valid, none is positive."""
        none = jnp.full(z.shape[0], NO_IDENTITY)
        return cls(z, none, none)

    def joined(self, others: "Rows") -> "Rows":
        """Both sets as one: a batch's rows followed by those of a bank or queue."""
        return Rows(*(jnp.concatenate(pair) for pair in zip(self, others)))


class RowStats(NamedTuple):
    """Per anchor, in float32 or wider. A statistic that was not asked for is None."""

    lse: Float[Array, " n"] | None = None
    """Log-sum-exp over all valid contrasts; -inf never appears: without any it is the dtype's lowest."""
    pos_sum: Float[Array, " n"] | None = None
    """Sum of the positive logits; 0 without positives."""
    pos_lse: Float[Array, " n"] | None = None
    """Log-sum-exp of the positive logits."""
    neg_lse: Float[Array, " n"] | None = None
    """Log-sum-exp of the negative logits (valid and not positive)."""
    pos_count: Float[Array, " n"] | None = None
    """Number of positives; carries no gradient."""


class PairMask(NamedTuple):
    """The explicit form of what two integers cannot say. Only `dense` takes it."""

    valid: Bool[Array, "n k"] | None = None
    """Pairs that take part, in place of the rule on `row`."""
    positive: Bool[Array, "n k"] | Float[Array, "n k"] | None = None
    """Positive pairs, or their weights >= 0 (multi-label overlap), in place of the rule on `group`. A pair
    that is not valid is not positive. Weights multiply in `pos_sum`, `pos_count` and inside `pos_lse`."""


class Scores(NamedTuple):
    """One matrix of scaled similarities, `anchors @ contrasts.T / tau`, not yet multiplied out."""

    anchors: Float[Array, "n dim"]
    contrasts: Float[Array, "k dim"]
    tau: Any
    """A float or a scalar array."""


def compute_dtype(*arrays: Array) -> jnp.dtype:
    """float32, or wider where an input is."""
    return jnp.result_type(jnp.float32, *arrays)


def lowest(dtype: jnp.dtype) -> float:
    """What stands for the log of an empty sum."""
    return float(jnp.finfo(dtype).min)


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
            "project both to the same."
        )
