"""Generalized contrastive loss with the sliced Wasserstein distance to a prior (Chen, Luo & Li 2021, Alg. 1)."""

import dataclasses
from collections.abc import Callable
from typing import ClassVar, NamedTuple

import flax.linen as nn
import jax
from jaxtyping import Array

from contrastive_jax.errors import InputError, nearest
from contrastive_jax.losses import sliced
from contrastive_jax.losses.normalize import l2_normalize
from contrastive_jax.methods import _generalized, _one_encoder
from contrastive_jax.models.outputs import FINAL


class Prior(NamedTuple):
    """A distribution that embeddings are to follow, and what they pass before the loss."""

    sample: Callable
    prepare: Callable


PRIORS = {
    "normal": Prior(sliced.normal_prior, lambda z: z),
    "hypercube": Prior(sliced.hypercube_prior, lambda z: z),
    "hypersphere": Prior(sliced.hypersphere_prior, l2_normalize),
}
"""Table 1: N(0, 1), uniform in (-1, 1), uniform on the unit sphere."""


@dataclasses.dataclass(frozen=True)
class IntriguingSWD:
    """Alignment plus lambda times the distance. Every step draws all d directions and a fresh prior from its key."""

    encoder: nn.Module
    head: nn.Module
    prior: str = "normal"
    """`normal`, `hypercube` or `hypersphere` (uniform both)."""
    lam: float = 5.0
    """lambda, the weight of the distance."""
    loss_scale: float = 1.0
    """Factor on the loss. For the hypersphere the terms are divided by the dimension, hence the authors' 1000."""
    views: ClassVar[int] = 2

    network = _one_encoder.network
    init = _one_encoder.init
    after_update = _one_encoder.after_update
    features = _one_encoder.features

    def __post_init__(self):
        if self.prior not in PRIORS:
            raise InputError(f"config.method.prior is '{self.prior}': {nearest(self.prior, PRIORS)}")

    def embed(self, params, extra, batch, key):
        """Raw head outputs `{exit: [batch, view, dim]}`: only the hypersphere wants them normalised."""
        return _one_encoder.forward(self.network, params, extra, batch["view"], key)

    def loss(self, embeddings, extra, batch, key, step):
        prior = PRIORS[self.prior]
        z = prior.prepare(embeddings[FINAL])
        terms = sliced.generalized_swd(z, *self._draw(prior, key, z))
        loss, metrics = _generalized.total(terms, z, lam=self.lam)
        return self.loss_scale * loss, (extra, metrics)

    def _draw(self, prior: Prior, key: Array, z: Array) -> tuple[Array, Array]:
        """The prior's sample and the directions of one step."""
        samples, views, dim = z.shape
        prior_key, direction_key = jax.random.split(key)
        return prior.sample(prior_key, samples * views, dim), sliced.directions(direction_key, dim)
