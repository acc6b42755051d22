"""Everything that training changes, as one pytree."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Int

from contrastive_jax.methods import Collections, Method
from contrastive_jax.parallel.mesh import state_sharding


class TrainState(NamedTuple):
    """What a checkpoint holds. No key and no iterator: both are functions of (seed, step)."""

    step: Int[Array, ""]
    """Finished updates."""
    params: Any
    """What the optimizer updates."""
    collections: Collections
    """What the networks keep besides: BatchNorm statistics, frozen arrays."""
    method_state: Any
    """The method's own state: a teacher, a queue, a memory."""
    optimizer_state: Any
    """The optimizer's state."""


def create(
    method: Method,
    optimizer: optax.GradientTransformation,
    seed: int,
    view_shape: tuple[int, ...],
    mesh: Mesh,
) -> TrainState:
    """A fresh state, laid out over the mesh; a function of `seed` alone.

    Args:
      view_shape: (height, width, channel) of one augmented view.
    """

    def init():
        key = jax.random.fold_in(jax.random.key(seed), 2**31 - 1)
        params, collections, own = method.init(key, jnp.zeros((2, method.views, *view_shape)))
        return TrainState(jnp.zeros((), jnp.int32), params, collections, own, optimizer.init(params))

    with jax.set_mesh(mesh):
        sharding = state_sharding(jax.eval_shape(init), mesh)
        return jax.jit(init, out_shardings=sharding, compiler_options=quick_compile())()


def quick_compile() -> dict[str, int]:
    """For a program that runs once: on CPU, LLVM takes 8 s to optimise a ResNet's random draws, 2 s not to."""
    return {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else {}
