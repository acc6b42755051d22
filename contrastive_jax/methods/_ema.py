"""A teacher that follows its student: exponential moving average, and the schedules of its speed.

t counts steps from 0, T is their number in the run; from there on a schedule rests at its last value.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from contrastive_jax.methods import Tree


def update(teacher: Tree, student: Tree, momentum: Float[Array, ""] | float) -> Tree:
    """momentum * teacher + (1 - momentum) * student, leaf by leaf."""
    return jax.tree.map(lambda old, new: momentum * old + (1 - momentum) * new, teacher, student)


def cosine_momentum(base: float, step: Int[Array, ""], total_steps: int) -> Float[Array, ""]:
    """1 - (1 - base) (1 + cos(pi t / T)) / 2: from `base` to 1 (BYOL, MoCo v3, SDSSL)."""
    return 1 - (1 - base) * (1 + _cosine(step, total_steps)) / 2


def cosine_ramp(peak: float, step: Int[Array, ""], total_steps: int) -> Float[Array, ""]:
    """peak (1 - cos(pi t / T)) / 2: from 0 to `peak` (SDSSL's alpha)."""
    return peak * (1 - _cosine(step, total_steps)) / 2


def _cosine(step, total_steps):
    return jnp.cos(jnp.pi * jnp.minimum(step, total_steps) / total_steps)
