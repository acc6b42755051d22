"""The one train step. It knows no method, no network and no data set.

It is compiled once over the mesh: the batch is split along `data`, the state is donated and keeps its sharding. The
loss sees the global batch, so its gradient is exact whatever the number of devices.
"""

import dataclasses
import functools
import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jax.sharding import Mesh
from jaxtyping import Array, Float, UInt32

from contrastive_jax.augment import Recipe, add_views
from contrastive_jax.data.resident import Resident, take
from contrastive_jax.methods import Batch, Method, Tree
from contrastive_jax.parallel.mesh import replicated, state_sharding
from contrastive_jax.train.gradient import Keys, micro_batched, whole
from contrastive_jax.train.state import TrainState

Metrics = dict[str, Float[Array, "..."]]
Step = Callable[[TrainState, Any], tuple[TrainState, Metrics]]
"""`(state, batch) -> (state, metrics [step])`, compiled; the batch may hold several steps."""


@dataclasses.dataclass(frozen=True)
class Training:
    """What a step is made of. Everything in it is static; `train_step` changes nothing but the state."""

    method: Method
    optimizer: optax.GradientTransformation
    schedule: optax.Schedule
    """Learning rate by step, to be logged: the optimizer has it already."""
    recipe: Recipe
    mesh: Mesh
    micro_batches: int = 1


def train_step(
    training: Training, state: TrainState, batch: Batch, seed: UInt32[Array, ""]
) -> tuple[TrainState, Metrics]:
    """One update: augment, embed, loss and gradient, optimizer, the method's `after_update`.

    Args:
      batch: `image` uint8 [batch, height, width, channel], `label` and `index` [batch], and `extent` [batch, 2] where
        pictures vary in size.
      seed: of the run. All random draws of a step are functions of (seed, step).

    Returns:
      The new state, and the method's metrics with `loss`, `learning_rate`, `gradient_norm` and that of every block.
    """
    method, mesh = training.method, training.mesh
    key = jax.random.fold_in(jax.random.key(seed), state.step)
    augment_key, embed_key, loss_key = jax.random.split(key, 3)
    batch = add_views(training.recipe, batch, augment_key, method.views)

    gradient_of = whole
    if training.micro_batches > 1:
        gradient_of = functools.partial(micro_batched, parts=training.micro_batches, mesh=mesh)
    found, gradient = gradient_of(method, state, batch, Keys(embed_key, loss_key))

    updates, optimizer = training.optimizer.update(gradient, state.optimizer_state, state.params)
    params = optax.apply_updates(state.params, updates)
    own = method.after_update(params, found.method_state, state.step)

    new = TrainState(state.step + 1, params, found.collections, own, optimizer)
    metrics = {
        "loss": found.loss,
        **found.metrics,
        "learning_rate": jnp.asarray(training.schedule(state.step), jnp.float32),
        **gradient_norms(gradient),
    }
    new = lax.with_sharding_constraint(new, state_sharding(new, mesh))
    return new, lax.with_sharding_constraint(metrics, replicated(mesh))


def compile_step(training: Training, *, seed: int) -> Step:
    """`step(state, batch)`: one update per call, on a batch that the host has brought to the devices."""

    def one(state, batch, seed):
        return with_step_axis(train_step(training, state, batch, seed))

    return compiled(one, training.mesh, seed)


def compile_steps(training: Training, data: Resident, *, seed: int) -> Step:
    """`step(state, rows)`: as many updates as `rows` [step, batch] has rows of examples, gathered from `data`.

    All of them are one program, so the host dispatches once.
    """

    def several(state, batch, seed):
        data, rows = batch

        def one(state, rows):
            return train_step(training, state, take(data, rows, training.mesh), seed)

        if len(rows) > 1:
            return lax.scan(one, state, rows)
        return with_step_axis(one(state, rows[0]))  # XLA:CPU runs convolutions inside a loop on one core

    step = compiled(several, training.mesh, seed)
    return lambda state, rows: step(state, (data, rows.astype(np.int32)))


def compiled(step: Callable[..., Any], mesh: Mesh, seed: int) -> Step:
    """`step(state, batch, seed)` as one program over the mesh, the state donated."""
    program = jax.jit(step, donate_argnums=0)

    def run(state: TrainState, batch: Any) -> tuple[TrainState, Metrics]:
        with jax.set_mesh(mesh):  # the seed is an operand: another one finds the same program in the cache
            return program(state, batch, np.uint32(seed))

    return run


def with_step_axis(found: tuple[TrainState, Metrics]) -> tuple[TrainState, Metrics]:
    """Metrics [1] of a single step."""
    state, metrics = found
    return state, jax.tree.map(lambda x: x[None], metrics)


def gradient_norms(gradient: Tree) -> Metrics:
    """`gradient_norm` of all parameters, and `gradient_norm/<block>` of every block of the networks."""
    squares: dict[str, Array] = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradient):
        block = block_of(jax.tree_util.keystr(path, simple=True, separator="/"))
        squares[block] = squares.get(block, jnp.zeros(())) + jnp.sum(jnp.square(leaf.astype(jnp.float32)))
    total = jnp.sqrt(sum(squares.values(), jnp.zeros(())))
    return {"gradient_norm": total} | {f"gradient_norm/{k}": jnp.sqrt(v) for k, v in squares.items()}


def block_of(path: str) -> str:
    """`encoder/block1/unit1/conv1/kernel` -> `encoder/block1`; without a block, the first name."""
    found = re.match(r"(.*?/)?(stem|(sub_)?block\d+|layer\d+)(?=/)", path)
    return found[0] if found else path.split("/")[0]
