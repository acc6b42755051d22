"""State of losses that look back: a first-in first-out queue, and a memory with a slot per training example.

Pure functions from state to state. The method keeps the state in its train state, uses it before it updates
it, and detaches what it stores.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from contrastive_jax.losses.normalize import l2_normalize


class Queue(NamedTuple):
    """The last embeddings seen (MoCo, CompRess, SelfCon's memory bank)."""

    z: Float[Array, "slot dim"]
    label: Int[Array, " slot"]
    """Class of each entry; -1: none, never a positive."""
    at: Int[Array, ""]
    """Where the next entry goes."""


def queue(key: Array, slots: int, dim: int) -> Queue:
    """A queue of random directions without labels, as MoCo starts."""
    z = l2_normalize(jax.random.normal(key, (slots, dim)))
    return Queue(z, jnp.full(slots, -1, jnp.int32), jnp.zeros((), jnp.int32))


def push(queue: Queue, z: Float[Array, "new dim"], label: Int[Array, " new"]) -> Queue:
    """Overwrite the oldest entries with new ones, wrapping round; at most as many as there are slots."""
    slots = queue.z.shape[0]
    place = (queue.at + jnp.arange(z.shape[0])) % slots
    return Queue(
        queue.z.at[place].set(lax.stop_gradient(z).astype(queue.z.dtype)),
        queue.label.at[place].set(label.astype(queue.label.dtype)),
        ((queue.at + z.shape[0]) % slots).astype(queue.at.dtype),
    )


def memory(key: Array, examples: int, dim: int) -> Float[Array, "example dim"]:
    """A slot per training example, uniform in +-sqrt(3/dim), as the reference codes start: norms near 1."""
    bound = (3 / dim) ** 0.5
    return jax.random.uniform(key, (examples, dim), minval=-bound, maxval=bound)


def update_memory(
    memory: Float[Array, "example dim"],
    index: Int[Array, " new"],
    z: Float[Array, "new dim"],
    *,
    momentum: float,
) -> Float[Array, "example dim"]:
    """`m_i <- normalise(momentum m_i + (1 - momentum) z_i)` at the batch's examples, all different."""
    mixed = momentum * memory[index] + (1 - momentum) * lax.stop_gradient(z)
    return memory.at[index].set(l2_normalize(mixed).astype(memory.dtype))
