"""What methods with a memory share: the bank's state, its rows as contrasts, and the check of its size."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from contrastive_jax.errors import InputError
from contrastive_jax.losses import Queue, has_positive
from contrastive_jax.similarity import Rows


class BankState(NamedTuple):
    """What a method with a memory bank remembers."""

    bank: Queue
    """The last embeddings with the labels that they came with, first in, first out."""


def remembered(memory: Queue) -> Rows:
    """The entries of a queue as contrasts: they have labels and no identity."""
    return Rows.of_keys(memory.z, memory.label)


def share_with_memory(label: Int[Array, " sample"], memory: Queue, *, views: int) -> Float[Array, ""]:
    """Share of samples with a positive in the batch (`views` rows each) or in the memory."""
    has = has_positive(label, copies=views) | jnp.isin(label, memory.label)
    return jnp.mean(has, dtype=jnp.float32)


def check_memory(field: str, size: int, new: int) -> None:
    """Raises InputError where a batch's rows do not fit into the memory."""
    if size < new:
        raise InputError(
            f"config.method.{field} is {size}, but every batch brings {new} rows: give at least that."
        )
