"""The tiny experiments of `contrastive_jax.conformance`, the classes of all methods, and an encoder of two layers."""

import flax.linen as nn

from contrastive_jax import conformance
from contrastive_jax.config.registry import normalised
from contrastive_jax.conformance import BATCH, Trial, experiment
from contrastive_jax.experiment import CHOICES
from contrastive_jax.models.outputs import Outputs

METHODS = list(CHOICES["method"].classes())
"""Class names, which a config may write in any case: `SupConIn` is `supcon_in`."""
CLASS_NAMES = {normalised(name): name for name in METHODS}

__all__ = ["BATCH", "METHODS", "Plain", "Trial", "experiment", "trial"]


def trial(name: str, devices: int = 1, seed: int = 0) -> Trial:
    """The conformance suite's trial of the method, so that its step is compiled once however a test spells the name."""
    return conformance.trial(CLASS_NAMES.get(normalised(name), name), devices, seed)


class Plain(nn.Module):
    """Two dense layers and no BatchNorm: an encoder that compiles in no time. Its exits are `block1` and `final`."""

    subnetworks: tuple[str, ...] = ("block1",)
    norm_group: int = 0
    """As in every encoder; there is nothing to normalise."""

    @nn.compact
    def __call__(self, images, train):
        first = nn.tanh(nn.Dense(12, name="block1")(images.reshape(len(images), -1)))
        last = nn.tanh(nn.Dense(12, name="block2")(first))
        return Outputs({}, {name: first for name in self.subnetworks} | {"final": last})
