"""The one train step. It knows no method, no network and no data set.

It is compiled once over the mesh: batch split along `data`, state replicated and donated. The loss sees the
global batch, so its gradient is exact whatever the number of devices.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Float, UInt32

from contrastive_jax.data.augment import Recipe, make_views
from contrastive_jax.methods import Batch, Method
from contrastive_jax.parallel.mesh import replicated
from contrastive_jax.train.gradient import Keys, micro_batched, whole
from contrastive_jax.train.state import TrainState

Metrics = dict[str, Float[Array, ""]]
Step = Callable[[TrainState, Batch], tuple[TrainState, Metrics]]


def make_step(
    method: Method,
    optimizer: optax.GradientTransformation,
    schedule: optax.Schedule,
    recipe: Recipe,
    *,
    seed: int,
    mesh: Mesh,
    micro_batches: int = 1,
) -> Step:
    """Compiles `(state, batch) -> (state, metrics)`; `batch` holds `image` uint8, `label` and `index`.

    Metrics are the method's own, and `loss`, `learning_rate` and `gradient_norm`.
    """

    gradient_of = whole
    if micro_batches > 1:
        gradient_of = functools.partial(micro_batched, parts=micro_batches, mesh=mesh)

    def step(state: TrainState, batch: Batch, seed: UInt32[Array, ""]) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(jax.random.key(seed), state.step)
        augment_key, *keys = jax.random.split(key, 3)
        batch = {**batch, "view": make_views(recipe, batch["image"], augment_key, method.views)}
        (loss, (extra, metrics)), gradient = gradient_of(
            method, state.params, state.extra, batch, Keys(*keys), state.step
        )
        updates, opt_state = optimizer.update(gradient, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        extra = method.after_update(params, extra, state.step)
        metrics = {
            "loss": loss,
            **metrics,
            "learning_rate": jnp.asarray(schedule(state.step), jnp.float32),
            "gradient_norm": optax.tree.norm(gradient),
        }
        return TrainState(state.step + 1, params, extra, opt_state), metrics

    compiled = jax.jit(step, donate_argnums=0, out_shardings=replicated(mesh))

    def run(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        with jax.set_mesh(mesh):  # the seed is an operand: another one finds the same program in the cache
            return compiled(state, batch, np.uint32(seed))

    return run
