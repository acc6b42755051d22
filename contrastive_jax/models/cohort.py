"""Cohorts of networks that learn together (MCL): independent networks, or branches of a shared trunk.

MCL's code trains two independent networks for M = 2. For M > 2 the networks share everything up to `block1`
(`block2` on ImageNet), which is computed once.
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
    """Images -> `{"net1": Outputs, "net2": Outputs, ...}`, one entry per member."""

    members: tuple[nn.Module, ...]
    """Encoders to copy, `net1` from the first. They may differ if they share no trunk."""
    shared: str = ""
    """Last block of the shared trunk, e.g. `block1`. Empty: the networks share no trunk."""

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
    """Outputs of one network of a cohort, all in float32."""

    representation: Float[Array, "batch features"]
    logits: Float[Array, "batch classes"]
    embedding: Float[Array, "batch dim"]
    """The head's output, not normalised."""


class CohortHeads(nn.Module):
    """A cohort in which every network has its own linear classifier and head: images -> `{"net1": Peer, ...}`."""

    cohort: Cohort
    head: nn.Module
    """A head to copy for every network. MCL uses `ProjectionHead(dim=128, hidden=128)`."""
    num_classes: int
    """0: no classifiers, and logits without columns."""

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
    """Raises `InputError` unless `members` can form a cohort whose shared trunk ends with the block `shared`."""
    if not members:
        raise InputError("a cohort needs networks: give at least one member.")
    if not shared:
        return
    first, *others = members
    if not {"after", "until"} <= schema(type(first)).keys():
        raise InputError(
            f"{type(first).__name__} cannot share a trunk, because it lacks the fields 'after' and 'until':"
            " set method.shared to ''."
        )
    if any(fields(other) != fields(first) for other in others):
        raise InputError(
            f"networks that share '{shared}' must be alike: give equal members, or set method.shared to ''."
        )
    try:
        first.clone(until=shared)
        first.clone(after=shared)
    except InputError as error:
        raise InputError(f"method.shared is '{shared}': {error}") from error


def fields(network: nn.Module) -> tuple:
    """A network's class and fields, without its name and parent."""
    return type(network), {name: getattr(network, name) for name in schema(type(network))}
