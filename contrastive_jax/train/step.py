"""The one train step. It knows no method, no network and no data set.

It is compiled once over the mesh: batch split along `data`, state donated and left where it lies. The loss sees the
global batch, so its gradient is exact whatever the number of devices.
"""

import functools
import re
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, UInt32

from contrastive_jax.augment.views import Recipe, add_views
from contrastive_jax.data.resident import Resident, take
from contrastive_jax.methods import Batch, Method, Tree
from contrastive_jax.parallel.mesh import replicated, state_sharding
from contrastive_jax.train.gradient import Keys, micro_batched, whole
from contrastive_jax.train.state import TrainState

Metrics = dict[str, Float[Array, "..."]]
Step = Callable[[TrainState, Batch], tuple[TrainState, Metrics]]
Dispatch = Callable[[TrainState, Resident, Int[np.ndarray, "step batch"]], tuple[TrainState, Metrics]]
Update = Callable[[TrainState, Batch, UInt32[Array, ""]], tuple[TrainState, Metrics]]


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

    Metrics are the method's own, and `loss`, `learning_rate`, `gradient_norm` and that of every block.
    """
    update = make_update(method, optimizer, schedule, recipe, mesh=mesh, micro_batches=micro_batches)
    compiled = jax.jit(update, donate_argnums=0)

    def run(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        with jax.set_mesh(mesh):  # the seed is an operand: another one finds the same program in the cache
            return compiled(state, batch, np.uint32(seed))

    return run


def make_dispatch(
    method: Method,
    optimizer: optax.GradientTransformation,
    schedule: optax.Schedule,
    recipe: Recipe,
    *,
    seed: int,
    mesh: Mesh,
    micro_batches: int = 1,
) -> Dispatch:
    """Compiles `(state, resident data, rows [step, batch]) -> (state, metrics [step])`: many steps in one program."""
    update = make_update(method, optimizer, schedule, recipe, mesh=mesh, micro_batches=micro_batches)

    def steps(state: TrainState, data: Resident, rows: Int[Array, "step batch"], seed: UInt32[Array, ""]):
        def one(state, rows):
            return update(state, take(data, rows, mesh), seed)

        if len(rows) > 1:
            return lax.scan(one, state, rows)
        state, metrics = one(state, rows[0])  # XLA:CPU runs convolutions inside a loop on one core
        return state, jax.tree.map(lambda x: x[None], metrics)

    compiled = jax.jit(steps, donate_argnums=0)

    def run(state: TrainState, data: Resident, rows: Int[np.ndarray, "step batch"]):
        with jax.set_mesh(mesh):
            return compiled(state, data, rows.astype(np.int32), np.uint32(seed))

    return run


def make_update(
    method: Method,
    optimizer: optax.GradientTransformation,
    schedule: optax.Schedule,
    recipe: Recipe,
    *,
    mesh: Mesh,
    micro_batches: int,
) -> Update:
    """One step as a pure function of (state, batch, seed)."""
    gradient_of = whole
    if micro_batches > 1:
        gradient_of = functools.partial(micro_batched, parts=micro_batches, mesh=mesh)

    def update(state: TrainState, batch: Batch, seed: UInt32[Array, ""]) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(jax.random.key(seed), state.step)
        augment_key, *keys = jax.random.split(key, 3)
        batch = add_views(recipe, batch, augment_key, method.views)
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
            **gradient_norms(gradient),
        }
        new = TrainState(state.step + 1, params, extra, opt_state)
        new = lax.with_sharding_constraint(new, state_sharding(new, mesh))
        return new, lax.with_sharding_constraint(metrics, replicated(mesh))

    return update


def gradient_norms(gradient: Tree) -> Metrics:
    """`gradient_norm` of all parameters, and `gradient_norm/<block>` of every block of the networks."""
    squares: dict[str, Array] = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradient):
        block = block_of(jax.tree_util.keystr(path, simple=True, separator="/"))
        squares[block] = squares.get(block, jnp.zeros(())) + jnp.sum(jnp.square(leaf.astype(jnp.float32)))
    total = jnp.sqrt(sum(squares.values(), jnp.zeros(())))
    return {"gradient_norm": total} | {f"gradient_norm/{k}": jnp.sqrt(v) for k, v in squares.items()}


def block_of(path: str) -> str:
    """`encoder/block1/unit1/conv1/kernel` -> `encoder/block1`; without a block the first name."""
    found = re.match(r"(.*?/)?(stem|(sub_)?block\d+|layer\d+)(?=/)", path)
    return found[0] if found else path.split("/")[0]
