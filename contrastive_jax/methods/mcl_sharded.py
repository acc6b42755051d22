"""MCL with its networks on different devices: only embeddings and logits travel, every step.

The same numbers as `mcl` with independent copies of one network. Their parameters are stacked under `peers`; with
`--config.cohort_devices=2` the devices form two groups, each with its share of the networks and all of the batch.
"""

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec

from contrastive_jax.errors import InputError
from contrastive_jax.methods import _cohort
from contrastive_jax.methods.mcl import MCL
from contrastive_jax.models.cohort import Cohort, CohortHeads
from contrastive_jax.parallel.mesh import COHORT, PEERS


@dataclasses.dataclass(frozen=True)
class MCLSharded(MCL):
    """As `MCL`, for equal networks that share nothing."""

    peers: tuple[str, ...] = dataclasses.field(default=(), init=False)
    shared: str = dataclasses.field(default="", init=False)
    stacked: ClassVar[bool] = True
    """The optimizer works on every network of the stack alone."""

    @property
    def one(self) -> CohortHeads:
        """A single network with its classifier and head."""
        return CohortHeads(Cohort((self.encoder,)), self.head, self.num_classes)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"net{i + 1}" for i in range(self.networks))

    def init(self, key, views):
        self.groups()
        made = [dict(self.one.init(k, views[:, 0], True)) for k in jax.random.split(key, self.networks)]
        params = [variables.pop("params") for variables in made]
        extra = {name: {PEERS: stack([v[name] for v in made])} for name in made[0]}
        return {PEERS: stack(params)}, extra

    def embed(self, params, extra, batch, key):
        def share(stacked, keys, images):
            """The networks that are here, one after the other: a `vmap` would make grouped convolutions of them."""
            found = [_cohort.train(self.one, each, images, k) for each, k in zip(unstack(stacked), keys)]
            return stack([(peers["net1"].logits, peers["net1"].embedding, moved) for peers, moved in found])

        stacked = {"params": params[PEERS]} | {name: tree[PEERS] for name, tree in extra.items()}
        keys = jax.random.split(key, self.networks)
        logits, z, moved = self._spread(share)(stacked, keys, batch["view"][:, 0])
        embeddings = {
            "logits": dict(zip(self.names, logits)),
            "z": {name: _cohort.l2_normalize(x) for name, x in zip(self.names, z)},
        }
        return embeddings, {**extra, **{name: {PEERS: tree} for name, tree in moved.items()}}

    def features(self, params, extra, images):
        stacked = {"params": params[PEERS]} | {name: tree[PEERS] for name, tree in extra.items()}
        outputs = {}
        for name, network in zip(self.names, unstack(stacked)):
            found: Any = self.one.apply(network, images, False, method=lambda heads, *x: heads.cohort(*x))
            outputs[name] = found["net1"]
        return _cohort.named_exits(outputs)

    def _spread(self, share):
        """`share` on every group of devices with its own networks; the batch stays the compiler's to split."""
        if self.groups() == 1:
            return share
        own, everywhere = PartitionSpec(COHORT), PartitionSpec()
        return jax.shard_map(
            share, in_specs=(own, own, everywhere), out_specs=own, axis_names={COHORT}, check_vma=False
        )

    def groups(self) -> int:
        """Groups of devices in the current mesh, each with as many of the networks as any other."""
        groups = dict(jax.sharding.get_abstract_mesh().shape).get(COHORT, 1)
        if self.networks % groups:
            raise InputError(
                f"cohort_devices is {groups}: it must divide the {self.networks} networks of the cohort."
            )
        return groups


def stack(trees):
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def unstack(tree):
    """The trees that were stacked, in order."""
    leaves, structure = jax.tree.flatten(tree)
    return [structure.unflatten(parts) for parts in zip(*leaves)]
