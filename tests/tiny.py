"""The tiny experiments of `contrastive_jax.conformance`, and the classes of all methods."""

from contrastive_jax import conformance
from contrastive_jax.config.registry import normalised
from contrastive_jax.conformance import BATCH, Trial, experiment
from contrastive_jax.experiment import CHOICES

METHODS = list(CHOICES["method"].classes())
"""Class names, which a config may write in any case: `SupConIn` is `supcon_in`."""
CLASS_NAMES = {normalised(name): name for name in METHODS}

__all__ = ["BATCH", "METHODS", "Trial", "experiment", "trial"]


def trial(name: str, devices: int = 1, seed: int = 0) -> Trial:
    """The conformance suite's trial of the method, so that its step is compiled once however a test spells the name."""
    return conformance.trial(CLASS_NAMES.get(normalised(name), name), devices, seed)
