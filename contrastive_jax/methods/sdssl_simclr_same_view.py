"""SDSSL's ablation of the view (Jang et al. 2023, App. C): layers mimic the final output of their own view."""

import dataclasses

from contrastive_jax.losses.sdssl import isd_simclr_same_view
from contrastive_jax.methods import _sdssl_simclr
from contrastive_jax.methods.sdssl_simclr import SDSSLSimCLR


@dataclasses.dataclass(frozen=True)
class SDSSLSimCLRSameView(SDSSLSimCLR):
    """SD-SimCLR with the same view's final output as the target of L_isd; the other view's is left out."""

    def loss(self, embeddings, extra, batch, key, step):
        isd = isd_simclr_same_view(embeddings, tau=self.tau, impl=self.similarity)
        loss, metrics = _sdssl_simclr.total(self, embeddings, isd, step)
        return loss, (extra, metrics)
