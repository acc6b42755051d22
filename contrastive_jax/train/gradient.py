"""The gradient of one step: of the whole batch at once, or the same one from micro-batches of the encoder.

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
from jaxtyping import Array, Float, Int

from contrastive_jax.errors import InputError
from contrastive_jax.methods import Batch, Method, Tree
from contrastive_jax.models.layers import closed_groups
from contrastive_jax.parallel.mesh import DATA


class Keys(NamedTuple):
    embed: Array
    loss: Array


Result = tuple[tuple[Float[Array, ""], tuple[Tree, dict[str, Float[Array, ""]]]], Tree]
"""`(loss, (extra, metrics)), gradient`, as `jax.value_and_grad(..., has_aux=True)` has it."""


def whole(
    method: Method, params: Tree, extra: Tree, batch: Batch, keys: Keys, step: Int[Array, ""]
) -> Result:
    """The whole batch in one pass."""

    def loss_of(params):
        embeddings, embedded = method.embed(params, extra, batch, keys.embed)
        return method.loss(embeddings, embedded, batch, keys.loss, step)

    return jax.value_and_grad(loss_of, has_aux=True)(params)


def micro_batched(
    method: Method,
    params: Tree,
    extra: Tree,
    batch: Batch,
    keys: Keys,
    step: Int[Array, ""],
    *,
    parts: int,
    mesh: Mesh,
) -> Result:
    """Equal to `whole`, with the activations of a batch `parts` times smaller; the networks run forward twice.

    Every device works through its own rows and adds up its own gradient, so there is one all-reduce per step.
    BatchNorm must be over groups of rows that lie within a part; its new running statistics are the mean of the
    parts' ones, because the update is linear in the statistics of a group. Draws inside a network (dropout, drop
    path) depend on the part and the device here: the gradient is right for them, but they are other ones.
    """
    split, replicated = PartitionSpec(DATA), PartitionSpec()

    def pieces(tree):
        return jax.tree.map(lambda x: x.reshape(parts, -1, *x.shape[1:]), tree)

    def embed(params, extra, piece, number):
        key = jax.random.fold_in(keys.embed, lax.axis_index(DATA) * parts + number)
        with closed_groups():
            return method.embed(params, extra, piece, key)

    def embed_all(params, extra, batch):
        def one(piece):
            z, new = embed(params, extra, *piece)
            return z, statistics(new)

        found, new = lax.map(one, (pieces(batch), jnp.arange(parts)))
        new = lax.pmean(jax.tree.map(lambda x: x.mean(0), new), DATA)
        return jax.tree.map(lambda z: z.reshape(-1, *z.shape[2:]), found), new

    def pull_all(params, extra, batch, cotangent):
        def add(total, piece):
            rows, number, seed = piece
            _, pull = jax.vjp(lambda params: embed(params, extra, rows, number)[0], params)
            return jax.tree.map(jnp.add, total, pull(seed)[0]), None

        zeros = jax.tree.map(jnp.zeros_like, params)
        total, _ = lax.scan(add, zeros, (pieces(batch), jnp.arange(parts), pieces(cotangent)))
        return lax.psum(total, DATA)

    local = functools.partial(jax.shard_map, mesh=mesh, check_vma=False)
    forward = local(embed_all, in_specs=(replicated, replicated, split), out_specs=(split, replicated))
    embeddings, new = forward(params, extra, batch)
    embedded = with_statistics(extra, new)

    def loss_of(embeddings):
        return method.loss(embeddings, embedded, batch, keys.loss, step)

    value, cotangent = jax.value_and_grad(loss_of, has_aux=True)(embeddings)
    pull = local(pull_all, in_specs=(replicated, replicated, split, split), out_specs=replicated)
    return value, pull(params, extra, batch, cotangent)


def statistics(extra: Tree) -> dict[str, Array]:
    """The leaves under the name `batch_stats` at any depth: what a network pass changes."""
    leaves = {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(extra)}
    return {path: leaf for path, leaf in leaves.items() if "['batch_stats']" in path}


def with_statistics(extra: Tree, found: dict[str, Array]) -> Tree:
    """`extra` with other `statistics`."""
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: found.get(jax.tree_util.keystr(path), leaf), extra
    )


def check_micro_batches(parts: int, batch_size: int, devices: int) -> None:
    """Refuses parts of unequal sizes. A BatchNorm that does not allow parts is refused by `micro_batched`."""
    if parts < 1 or batch_size % (parts * devices):
        raise InputError(
            f"micro_batches is {parts}: it must divide the {batch_size // devices} images of each device."
        )
