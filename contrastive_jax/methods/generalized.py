"""SimCLR and the generalized contrastive losses (Chen, Luo & Li 2021, *Intriguing Properties of Contrastive Losses*).

Eq. 2: `alignment + lambda * distribution`. NT-Xent, SimCLR's loss, is the member whose distribution term is a
log-sum-exp and whose lambda is tau; the sliced Wasserstein distance to a prior is another.
"""

import dataclasses
from collections.abc import Callable
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from contrastive_jax import losses
from contrastive_jax.errors import InputError, nearest
from contrastive_jax.losses import GeneralizedTerms, contrastive_top1, infonce_bound, l2_normalize, mean_keep
from contrastive_jax.methods import metrics
from contrastive_jax.methods.base import Metrics, OneEncoder
from contrastive_jax.models.outputs import FINAL
from contrastive_jax.similarity import Rows


@dataclasses.dataclass(frozen=True, kw_only=True)
class SimCLR(OneEncoder):
    """SimCLR (Chen et al. 2020): two views of an image attract, all other images repel. NT-Xent, no labels."""

    tau: float = 0.5
    """Temperature."""
    loss_scale: float = 1.0
    """Factor on the mean over anchors; it scales the learning rate. SupContrast's code has tau / 0.07."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""
    views: ClassVar[int] = 2

    def loss(self, embeddings, state, batch, step, key):
        z = embeddings[FINAL]
        mean = mean_keep(losses.nt_xent(z, tau=self.tau, impl=self.similarity))
        return self.loss_scale * mean, state, metrics.by_instance("nt_xent", mean, z)


@dataclasses.dataclass(frozen=True, kw_only=True)
class IntriguingNTXent(OneEncoder):
    """NT-Xent as a member of the family (Eqs. 1 and 3): (alignment + tau * distribution) / tau, its terms apart."""

    tau: float = 0.2
    """Temperature."""
    loss_scale: float = 1.0
    """Factor on the mean over anchors; it scales the learning rate. SimCLR's TensorFlow code has 2."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""
    views: ClassVar[int] = 2

    def loss(self, embeddings, state, batch, step, key):
        z = embeddings[FINAL]
        terms = losses.decoupled_nt_xent_paper(z, tau=self.tau, impl=self.similarity)
        weighted, found = weighted_mean(terms, z, lam=self.tau)
        loss = weighted / self.tau
        found["infonce_bound"] = infonce_bound(loss, 2 * z.shape[0] - 1)
        return self.loss_scale * loss, state, found


@dataclasses.dataclass(frozen=True, kw_only=True)
class IntriguingDecoupled(OneEncoder):
    """Decoupled NT-Xent (Eq. 4) as the authors' notebook computes it.

    Mean squared distance of the views plus lambda times the log-sum-exp over all rows, the anchor itself included.
    """

    tau: float = 1.0
    """Temperature of the distribution term."""
    lam: float = 0.1
    """lambda, the weight of the distribution term."""
    loss_scale: float = 1.0
    """Factor on the loss. The alignment is divided by the dimension, hence the authors' 1000."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""
    views: ClassVar[int] = 2

    def loss(self, embeddings, state, batch, step, key):
        z = embeddings[FINAL]
        terms = losses.decoupled_nt_xent(z, tau=self.tau, impl=self.similarity)
        loss, found = weighted_mean(terms, z, lam=self.lam)
        return self.loss_scale * loss, state, found


@dataclasses.dataclass(frozen=True, kw_only=True)
class IntriguingDecoupledPaper(OneEncoder):
    """Decoupled NT-Xent as the paper writes it (Eq. 4), which is NT-Xent where lambda is tau.

    Minus the similarity of the views plus lambda times the log-sum-exp over all other rows.
    """

    tau: float = 1.0
    """Temperature of the distribution term."""
    lam: float = 0.1
    """lambda, the weight of the distribution term."""
    loss_scale: float = 1.0
    """Factor on the loss; it scales the learning rate. 1 / lambda gives NT-Xent's scale."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""
    views: ClassVar[int] = 2

    def loss(self, embeddings, state, batch, step, key):
        z = embeddings[FINAL]
        terms = losses.decoupled_nt_xent_paper(z, tau=self.tau, impl=self.similarity)
        loss, found = weighted_mean(terms, z, lam=self.lam)
        return self.loss_scale * loss, state, found


class Prior(NamedTuple):
    """A distribution that embeddings are to follow, and what is done to them before the loss."""

    sample: Callable
    prepare: Callable


PRIORS = {
    "normal": Prior(losses.normal_prior, lambda z: z),
    "hypercube": Prior(losses.hypercube_prior, lambda z: z),
    "hypersphere": Prior(losses.hypersphere_prior, l2_normalize),
}
"""Table 1: N(0, 1), uniform in (-1, 1), uniform on the unit sphere."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class IntriguingSWD(OneEncoder):
    """Alignment plus lambda times the sliced Wasserstein distance to a prior (Alg. 1).

    Every step draws all d directions and a fresh sample of the prior from its key.
    """

    prior: str = "normal"
    """`normal`, `hypercube` or `hypersphere` (both uniform)."""
    lam: float = 5.0
    """lambda, the weight of the distance."""
    loss_scale: float = 1.0
    """Factor on the loss. For the hypersphere the terms are divided by the dimension, hence the authors' 1000."""
    views: ClassVar[int] = 2

    def __post_init__(self):
        if self.prior not in PRIORS:
            raise InputError(f"config.method.prior is '{self.prior}': {nearest(self.prior, PRIORS)}")

    def embed(self, params, collections, state, batch, key):
        """Raw head outputs `{exit: [batch, view, dim]}`: only the hypersphere needs them normalised."""
        (_, z), network = self.forward(params, collections.network, batch["view"], key)
        return z, collections._replace(network=network)

    def loss(self, embeddings, state, batch, step, key):
        prior, raw = PRIORS[self.prior], embeddings[FINAL]
        z = prior.prepare(raw)
        samples, views, dim = z.shape
        prior_key, direction_key = jax.random.split(key)
        drawn = prior.sample(prior_key, samples * views, dim)
        terms = losses.generalized_swd(z, drawn, losses.directions(direction_key, dim))
        loss, found = weighted_mean(terms, l2_normalize(raw), lam=self.lam)
        return self.loss_scale * loss, state, found


def weighted_mean(
    terms: GeneralizedTerms, z: Float[Array, "sample 2 dim"], *, lam: float
) -> tuple[Float[Array, ""], Metrics]:
    """Eq. 2, mean over the samples, and its terms unweighted. `z` has unit length.

    It is not normalised once more to be sure: XLA for GPUs cannot compile a second normalisation (jax 0.11.2).
    """
    rows = Rows.of_views(z, jnp.arange(z.shape[0]))
    found = {
        "loss_align": jnp.mean(terms.alignment),
        "loss_match": jnp.mean(terms.distribution),
        "positives_share": jnp.ones(()),
        "contrastive_top1": contrastive_top1(rows, rows),
    }
    return mean_keep(terms.weighted(lam)), found
