"""MCL (Yang et al. 2022): networks that learn together from labels, contrasting within the batch. Eq. 8."""

import dataclasses
from functools import partial
from typing import ClassVar

import flax.linen as nn
import jax.numpy as jnp

from contrastive_jax.errors import InputError, nearest
from contrastive_jax.losses import mutual
from contrastive_jax.losses.diagnostics import contrastive_top1, infonce_bound
from contrastive_jax.losses.reduce import share_with_positives
from contrastive_jax.methods import _cohort
from contrastive_jax.similarity import Rows

DISTILLATIONS = {
    "none": None,
    "ensemble": mutual.ensemble_distill,
    "ensemble_last": mutual.ensemble_distill_last,
    "deep_mutual": mutual.deep_mutual,
    "collaborative": mutual.collaborative,
}


@dataclasses.dataclass(frozen=True)
class MCL:
    """Sum over networks of the cross-entropy, plus the weighted mutual contrastive terms. One view.

    A batch should hold every class at least twice (sampler `class_aware`): an anchor without positives adds 0.
    """

    encoder: nn.Module
    head: nn.Module
    num_classes: int
    networks: int = 2
    """M. The authors' M = 2 shares nothing, their M > 2 shares the first block."""
    peers: tuple[str, ...] = ()
    """Published names of the other networks; (): copies of the first."""
    shared: str = ""
    """Last block of a shared trunk, such as `block1`; empty: independent networks."""
    tau: float = 0.1
    soft: float = 3.0
    """Softens the distributions of the soft terms: their temperature is tau * soft, their factor soft^2."""
    cross_entropy: float = 1.0
    """Weight of the classifiers' loss."""
    vcl: float = 0.1
    """alpha, weight of the vanilla contrastive loss."""
    soft_vcl: float = 1.0
    """gamma, weight of its mimicry."""
    icl: float = 0.1
    """beta, weight of the interactive contrastive loss."""
    soft_icl: float = 1.0
    """lambda, weight of its mimicry."""
    distillation: str = "none"
    """On logits: `ensemble` (all learn from the mean), `ensemble_last`, `deep_mutual` (DML), `collaborative` (CL)."""
    distillation_weight: float = 1.0
    similarity: str = "auto"
    """Implementation of the similarity engine."""
    views: ClassVar[int] = 1

    def __post_init__(self):
        if self.distillation not in DISTILLATIONS:
            raise InputError(
                f"method.distillation is '{self.distillation}': {nearest(self.distillation, DISTILLATIONS)}"
            )

    cohort = _cohort.cohort
    network = _cohort.network
    init = _cohort.init
    embed = _cohort.embed
    features = _cohort.features

    def after_update(self, params, extra, step):
        return extra

    def loss(self, embeddings, extra, batch, key, step):
        label, logits, z = batch["label"], embeddings["logits"], list(embeddings["z"].values())
        classified, metrics = _cohort.classify(logits, label)
        hard, soft = dict(tau=self.tau, impl=self.similarity), dict(soft=self.soft)
        distil = DISTILLATIONS[self.distillation]
        total, terms = _cohort.weighted(
            {
                "vcl": (self.vcl, partial(mutual.vcl, z, label, **hard)),
                "soft_vcl": (self.soft_vcl, partial(mutual.soft_vcl, z, **hard, **soft)),
                "icl": (self.icl, partial(mutual.icl, z, label, **hard)),
                "soft_icl": (self.soft_icl, partial(mutual.soft_icl, z, **hard, **soft)),
                "distillation": (
                    self.distillation_weight if distil else 0.0,
                    lambda: distil(list(logits.values())),
                ),
            }
        )
        rows = Rows(z[0], jnp.arange(len(label)), label)
        metrics |= terms | {
            "loss_cross_entropy": classified,
            "positives_share": share_with_positives(label),
            "contrastive_top1": contrastive_top1(rows, rows),
        }
        if self.vcl:  # its value is the sum over the networks
            metrics["infonce_bound"] = infonce_bound(terms["loss_vcl"] / self.networks, len(label) - 1)
        return self.cross_entropy * classified + total, (extra, metrics)
