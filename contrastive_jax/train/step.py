"""The one train step. It knows no method, no network and no data set.

It is compiled once over the mesh: batch split along `data`, state replicated and donated. The loss sees the
global batch, so its gradient is exact whatever the number of devices.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Float, UInt32

from contrastive_jax.data.augment import Recipe, make_views
from contrastive_jax.methods import Batch, Method
from contrastive_jax.parallel.mesh import replicated
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
) -> Step:
    """Compiles `(state, batch) -> (state, metrics)`; `batch` holds `image` uint8, `label` and `index`.

    Metrics are the method's own, and `loss`, `learning_rate` and `gradient_norm`.
    """

    def step(state: TrainState, batch: Batch, seed: UInt32[Array, ""]) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(jax.random.key(seed), state.step)
        augment_key, embed_key, loss_key = jax.random.split(key, 3)
        batch = {**batch, "view": make_views(recipe, batch["image"], augment_key, method.views)}

        def loss_of(params: Any):
            embeddings, extra = method.embed(params, state.extra, batch, embed_key)
            return method.loss(embeddings, extra, batch, loss_key, state.step)

        (loss, (extra, metrics)), gradient = jax.value_and_grad(loss_of, has_aux=True)(state.params)
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
