"""State of losses that look back: a first-in first-out queue, and a memory with a slot per training example.

Pure functions from state to state. A method keeps the state, uses it before it updates it, and stores nothing with a
gradient.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from contrastive_jax.errors import InputError
from contrastive_jax.losses._checks import checked
from contrastive_jax.losses._reduce import l2_normalize


class Queue(NamedTuple):
    """The last embeddings seen (MoCo, CompRess, SelfCon's memory bank)."""

    z: Float[Array, "slot dim"]
    label: Int[Array, " slot"]
    """Class of each entry; -1: none, never a positive."""
    at: Int[Array, ""]
    """Where the next entry goes."""


def new_queue(key: Array, slots: int, dim: int) -> Queue:
    """A queue of random directions without labels, as MoCo starts.

    Args:
      key: random key.
      slots: embeddings that it holds.
      dim: dimension of the embeddings.

    Returns:
      The queue.

    Example:
      >>> losses.new_queue(jax.random.key(0), slots=16, dim=8).z.shape
      (16, 8)
    """
    z = l2_normalize(jax.random.normal(key, (slots, dim)))
    return Queue(z, jnp.full(slots, -1, jnp.int32), jnp.zeros((), jnp.int32))


@checked()
def push(queue: Queue, z: Float[Array, "new dim"], label: Int[Array, " new"]) -> Queue:
    """Overwrites the oldest entries with new ones, wrapping round.

    Args:
      queue: the queue before this batch.
      z: new embeddings, at most as many as there are slots; detached.
      label: class of each, or -1 for none.

    Returns:
      The queue after this batch.

    Raises:
      InputError: more new embeddings than slots, or another dimension.

    Example:
      >>> queue = losses.new_queue(jax.random.key(0), slots=3, dim=8)
      >>> losses.push(queue, jnp.eye(8)[:2], jnp.array([5, 6])).label.tolist()
      [5, 6, -1]
    """
    (slots, dim), new = queue.z.shape, z.shape
    if new[0] > slots or new[1] != dim:
        raise InputError(f"z has shape {new}; push expects at most {slots} embeddings of dimension {dim}.")
    place = (queue.at + jnp.arange(z.shape[0])) % slots
    return Queue(
        queue.z.at[place].set(lax.stop_gradient(z).astype(queue.z.dtype)),
        queue.label.at[place].set(label.astype(queue.label.dtype)),
        ((queue.at + z.shape[0]) % slots).astype(queue.at.dtype),
    )


def new_memory(key: Array, examples: int, dim: int) -> Float[Array, "example dim"]:
    """A slot per training example, uniform in +-sqrt(3/dim), as the reference codes start: lengths near 1.

    Args:
      key: random key.
      examples: size of the training set.
      dim: dimension of the embeddings.

    Returns:
      The memory.

    Example:
      >>> losses.new_memory(jax.random.key(0), examples=10, dim=8).shape
      (10, 8)
    """
    bound = (3 / dim) ** 0.5
    return jax.random.uniform(key, (examples, dim), minval=-bound, maxval=bound)


@checked()
def update_memory(
    memory: Float[Array, "example dim"],
    index: Int[Array, " new"],
    z: Float[Array, "new dim"],
    *,
    momentum: float,
) -> Float[Array, "example dim"]:
    """`m_i <- normalise(momentum m_i + (1 - momentum) z_i)` at the batch's examples.

    Args:
      memory: the memory before this batch.
      index: the batch's examples, all different.
      z: their new embeddings; detached.
      momentum: the share of the old entry that is kept.

    Returns:
      The memory after this batch.

    Example:
      >>> memory = losses.update_memory(jnp.eye(3), jnp.array([1]), jnp.eye(3)[:1], momentum=0.0)
      >>> memory.round(3).tolist()
      [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    mixed = momentum * memory[index] + (1 - momentum) * lax.stop_gradient(z)
    return memory.at[index].set(l2_normalize(mixed).astype(memory.dtype))
