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
    """
    split, replicated = PartitionSpec(DATA), PartitionSpec()

    def pieces(tree):
        return jax.tree.map(lambda x: x.reshape(parts, -1, *x.shape[1:]), tree)

    def embed(params, piece, number):
        key = jax.random.fold_in(keys.embed, lax.axis_index(DATA) * parts + number)
        return method.embed(params, extra, piece, key)[0]

    def embed_all(params, batch):
        numbers = jnp.arange(parts)
        found = lax.map(lambda piece: embed(params, *piece), (pieces(batch), numbers))
        return jax.tree.map(lambda z: z.reshape(-1, *z.shape[2:]), found)

    def pull_all(params, batch, cotangent):
        def add(total, piece):
            rows, number, seed = piece
            _, pull = jax.vjp(lambda params: embed(params, rows, number), params)
            return jax.tree.map(jnp.add, total, pull(seed)[0]), None

        zeros = jax.tree.map(jnp.zeros_like, params)
        total, _ = lax.scan(add, zeros, (pieces(batch), jnp.arange(parts), pieces(cotangent)))
        return lax.psum(total, DATA)

    def loss_of(embeddings):
        return method.loss(embeddings, extra, batch, keys.loss, step)

    local = functools.partial(jax.shard_map, mesh=mesh, check_vma=False)
    embeddings = local(embed_all, in_specs=(replicated, split), out_specs=split)(params, batch)
    value, cotangent = jax.value_and_grad(loss_of, has_aux=True)(embeddings)
    pull = local(pull_all, in_specs=(replicated, split, split), out_specs=replicated)
    return value, pull(params, batch, cotangent)


def check_micro_batches(parts: int, batch_size: int, devices: int, extra: Tree) -> None:
    """Refuses what would not be the gradient of the whole batch."""
    if parts < 1 or batch_size % (parts * devices):
        raise InputError(
            f"micro_batches is {parts}: it must divide the {batch_size // devices} images of each device."
        )
    if parts > 1 and jax.tree.leaves(extra.get("batch_stats", {})):
        raise InputError(
            "micro_batches > 1 cannot reproduce a BatchNorm over the whole batch: use a network without BatchNorm,"
            " or micro_batches=1 on more devices."
        )
