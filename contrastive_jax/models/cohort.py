"""Cohorts of networks that learn together (MCL): independent ones, or branches on a shared trunk.

MCL's code takes two independent networks for M = 2; for M > 2 the networks share their stem and first block
(`block1`; `block2` on ImageNet), which is computed once.
"""

from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from contrastive_jax.config.schema import schema
from contrastive_jax.errors import InputError
from contrastive_jax.models.layers import Linear
from contrastive_jax.models.outputs import FINAL, Outputs

Images = Float[Array, "batch height width channel"]


class Cohort(nn.Module):
    """Images -> `{"net1": Outputs, "net2": Outputs, ...}`, one for each of `members`."""

    members: tuple[nn.Module, ...]
    """Encoders to copy: `net1` is like the first. They may differ if they share nothing."""
    shared: str = ""
    """Last block of the shared trunk, e.g. `block1`; empty: the networks share nothing."""

    def __post_init__(self):
        check_members(self.members, self.shared)
        super().__post_init__()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"net{i + 1}" for i in range(len(self.members)))

    @nn.compact
    def __call__(self, images: Images, train: bool) -> dict[str, Outputs]:
        if not self.shared:
            return {
                name: member.clone(name=name, parent=self)(images, train)
                for name, member in zip(self.names, self.members, strict=True)
            }
        whole = self.members[0]
        trunk = whole.clone(until=self.shared, name="trunk", parent=self)(images, train).blocks
        outputs = {}
        for name in self.names:
            branch = whole.clone(after=self.shared, name=name, parent=self)(trunk[self.shared], train)
            outputs[name] = Outputs(trunk | branch.blocks, branch.exits)
        return outputs


class Peer(NamedTuple):
    """What a network of a cohort says about every image, all in float32."""

    representation: Float[Array, "batch features"]
    logits: Float[Array, "batch classes"]
    embedding: Float[Array, "batch dim"]
    """The head's output; normalising is the method's business."""


class CohortHeads(nn.Module):
    """A cohort whose networks each have a linear classifier and a head of their own: `{"net1": Peer, ...}`."""

    cohort: Cohort
    head: nn.Module
    """A head to copy; MCL's is `ProjectionHead(dim=128, hidden=128)`."""
    num_classes: int
    """0: no classifiers, the logits have no columns."""

    @nn.compact
    def __call__(self, images: Images, train: bool) -> dict[str, Peer]:
        peers = {}
        for name, outputs in self.cohort(images, train).items():
            representation = outputs.exits[FINAL]
            logits = jnp.zeros((len(representation), 0))
            if self.num_classes:
                logits = Linear(self.num_classes, name=f"classifier_{name}")(representation)
            embedding = self.head.clone(name=f"head_{name}", parent=self)(representation, train)
            peers[name] = Peer(representation, logits, embedding.astype(jnp.float32))
        return peers


def check_members(members: tuple[nn.Module, ...], shared: str) -> None:
    """Raises `InputError` where `members` cannot be the networks of a cohort with the trunk `shared`."""
    if not members:
        raise InputError("a cohort has no networks: give at least one member.")
    if not shared:
        return
    first, *others = members
    if not {"after", "until"} <= schema(type(first)).keys():
        raise InputError(f"{type(first).__name__} cannot share a trunk: give cohort.shared as ''.")
    if any(fields(other) != fields(first) for other in others):
        raise InputError(
            f"networks that share '{shared}' are alike: give equal members, or cohort.shared as ''."
        )
    try:
        first.clone(until=shared)
        first.clone(after=shared)
    except InputError as error:
        raise InputError(f"cohort.shared is '{shared}': {error}") from error


def fields(network: nn.Module) -> tuple:
    """What a network is, apart from its name and place."""
    return type(network), {name: getattr(network, name) for name in schema(type(network))}
