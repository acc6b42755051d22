"""A memory of labelled embeddings, as methods keep one in `extra` (the state itself: `losses.bank`)."""

import jax.numpy as jnp

from contrastive_jax.errors import InputError
from contrastive_jax.losses import bank
from contrastive_jax.similarity import Rows


def remembered(memory: bank.Queue) -> Rows:
    """The entries as contrasts: they have labels and no identity."""
    return Rows(memory.z, jnp.full_like(memory.label, -1), memory.label)


def check_size(field: str, size: int, new: int) -> None:
    """Raises InputError where a batch's rows do not fit into the memory."""
    if size < new:
        raise InputError(
            f"config.method.{field} is {size}, but every batch brings {new} rows: give at least that."
        )
