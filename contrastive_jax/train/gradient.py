"""The gradient of one step: of the whole batch at once, or the same gradient from micro-batches of the encoder.

A contrastive loss cannot be split over micro-batches: every anchor needs all contrasts. What can be split is the
network (GradCache, Gao et al. 2021): embed micro-batches without keeping their activations, differentiate the loss of
the whole batch with respect to the embeddings, then run every micro-batch again and pull that gradient through it.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Float

from contrastive_jax.errors import InputError
from contrastive_jax.methods import Batch, Collections, Method, Metrics, Tree
from contrastive_jax.models.batch_norm import closed_groups
from contrastive_jax.parallel.mesh import DATA
from contrastive_jax.train.state import TrainState


class Keys(NamedTuple):
    """The random keys of one step."""

    embed: Array
    loss: Array


class Pass(NamedTuple):
    """What a pass over the batch gives besides the gradient."""

    loss: Float[Array, ""]
    collections: Collections
    method_state: Tree
    """The state that `loss` returned."""
    metrics: Metrics


def whole(method: Method, state: TrainState, batch: Batch, keys: Keys) -> tuple[Pass, Tree]:
    """The loss of the batch and its gradient in `state.params`, in one pass."""

    def loss_of(params):
        embeddings, collections = method.embed(
            params, state.collections, state.method_state, batch, keys.embed
        )
        loss, own, metrics = method.loss(embeddings, state.method_state, batch, state.step, keys.loss)
        return loss, Pass(loss, collections, own, metrics)

    gradient, found = jax.grad(loss_of, has_aux=True)(state.params)
    return found, gradient


def micro_batched(
    method: Method, state: TrainState, batch: Batch, keys: Keys, *, parts: int, mesh: Mesh
) -> tuple[Pass, Tree]:
    """As `whole`, with the activations of a batch `parts` times smaller; the networks run forward twice.

    Every device works through its own rows and adds up its own gradient, so there is one all-reduce per step.
    BatchNorm must work on groups of rows that lie within a part. What `embed` changes in the collections (running
    statistics) becomes the mean over the parts, which is exact because the update is linear in a group's statistics.
    Draws inside a network (dropout, drop path) depend on the part and the device: gradients are correct, but the
    draws differ from those of `whole`.
    """
    split, replicated = PartitionSpec(DATA), PartitionSpec()
    fixed = (state.collections, state.method_state)

    def pieces(tree):
        return jax.tree.map(lambda x: x.reshape(parts, -1, *x.shape[1:]), tree)

    def embed(params, fixed, piece, number):
        key = jax.random.fold_in(keys.embed, lax.axis_index(DATA) * parts + number)
        collections, own = fixed
        with closed_groups():
            return method.embed(params, collections, own, piece, key)

    def embed_all(params, fixed, batch):
        def one(piece):
            embeddings, collections = embed(params, fixed, *piece)
            return embeddings, changed(collections, fixed[0])

        embeddings, new = lax.map(one, (pieces(batch), jnp.arange(parts)))
        new = lax.pmean(jax.tree.map(lambda x: x.mean(0), new), DATA)
        return jax.tree.map(lambda z: z.reshape(-1, *z.shape[2:]), embeddings), new

    def pull_all(params, fixed, batch, cotangent):
        def add(total, piece):
            rows, number, seed = piece
            _, pull = jax.vjp(lambda params: embed(params, fixed, rows, number)[0], params)
            return jax.tree.map(jnp.add, total, pull(seed)[0]), None

        zeros = jax.tree.map(jnp.zeros_like, params)
        total, _ = lax.scan(add, zeros, (pieces(batch), jnp.arange(parts), pieces(cotangent)))
        return lax.psum(total, DATA)

    local = functools.partial(jax.shard_map, mesh=mesh, check_vma=False)
    forward = local(embed_all, in_specs=(replicated, replicated, split), out_specs=(split, replicated))
    embeddings, new = forward(state.params, fixed, batch)

    def loss_of(embeddings):
        loss, own, metrics = method.loss(embeddings, state.method_state, batch, state.step, keys.loss)
        return loss, Pass(loss, with_changed(state.collections, new), own, metrics)

    cotangent, found = jax.grad(loss_of, has_aux=True)(embeddings)
    pull = local(pull_all, in_specs=(replicated, replicated, split, split), out_specs=replicated)
    return found, pull(state.params, fixed, batch, cotangent)


def changed(new: Collections, old: Collections) -> dict[int, Array]:
    """The leaves that `embed` replaced, by their place in the tree: what it returned as it came is the same object.

    Raises:
      InputError: another structure, or a replaced leaf that has no mean over the parts.
    """
    if jax.tree.structure(new) != jax.tree.structure(old):
        raise InputError("the method's embed returned collections of another structure than it was given.")
    leaves = zip(jax.tree_util.tree_leaves_with_path(new), jax.tree.leaves(old))
    found = {}
    for place, ((path, after), before) in enumerate(leaves):
        if after is before:
            continue
        if not jnp.issubdtype(after.dtype, jnp.floating):
            raise InputError(
                f"micro_batches > 1 averages what embed changes over the parts, but {jax.tree_util.keystr(path)} in"
                f" the collections is {after.dtype}: return it unchanged, or keep it in the method's state."
            )
        found[place] = after
    return found


def with_changed(old: Collections, found: dict[int, Array]) -> Collections:
    """`old` with the leaves that `changed` has found."""
    leaves, structure = jax.tree.flatten(old)
    return structure.unflatten([found.get(place, leaf) for place, leaf in enumerate(leaves)])


def check_micro_batches(parts: int, batch_size: int, devices: int) -> None:
    """Refuses parts of unequal sizes. A BatchNorm that cannot be split is refused when it runs (`closed_groups`)."""
    if parts < 1 or batch_size % (parts * devices):
        raise InputError(
            f"micro_batches is {parts}: it must divide the {batch_size // devices} images of each device."
        )
