"""Decoupled NT-Xent as the paper writes it (Chen, Luo & Li 2021, Eqs. 3 and 4): NT-Xent where lambda is tau."""

import dataclasses

from contrastive_jax.losses.generalized import decoupled_nt_xent_paper
from contrastive_jax.methods import _generalized
from contrastive_jax.methods.intriguing_decoupled import IntriguingDecoupled
from contrastive_jax.models.outputs import FINAL


@dataclasses.dataclass(frozen=True)
class IntriguingDecoupledPaper(IntriguingDecoupled):
    """Minus the similarity of the views plus lambda times the log-sum-exp over all other rows."""

    loss_scale: float = 1.0
    """Factor on the loss; it scales the learning rate. 1 / lambda gives NT-Xent's scale."""

    def loss(self, embeddings, extra, batch, key, step):
        z = embeddings[FINAL]
        terms = decoupled_nt_xent_paper(z, tau=self.tau, impl=self.similarity)
        loss, metrics = _generalized.total(terms, z, lam=self.lam)
        return self.loss_scale * loss, (extra, metrics)
