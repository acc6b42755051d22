"""What the SelfCon methods share: the exits of one network as one array, and a refusal where there is but one."""

import jax.numpy as jnp

from contrastive_jax.errors import InputError
from contrastive_jax.methods import _one_encoder
from contrastive_jax.models.outputs import FINAL


def init(self, key, views):
    """As for one encoder.

    Raises:
      InputError: the network has no exit but its last.
    """
    params, extra = _one_encoder.init(self, key, views)
    check(subnetworks(params))
    return params, extra


def subnetworks(params) -> list[str]:
    """The exits with a head, without the backbone's own."""
    names = (name.removeprefix("head_") for name in params if name.startswith("head_"))
    return [name for name in names if name != FINAL]


def check(names: list[str]) -> None:
    if not names:
        raise InputError(
            "the network has no sub-network, and this method contrasts one with the backbone: set"
            " config.network.subnetworks, to ('block2',) for instance."
        )


def stacked(embeddings):
    """`{exit: [sample, view, dim]}` -> [sample, view, exit, dim], the backbone last."""
    return jnp.stack([embeddings[name] for name in (*sorted({*embeddings} - {FINAL}), FINAL)], axis=2)
