"""SupCon's other form (Khosla et al. 2020, Eq. 3): the sum over positives inside the logarithm, L_in."""

import dataclasses

from contrastive_jax.losses.reduce import mean_keep
from contrastive_jax.losses.supcon import supcon_in
from contrastive_jax.methods import _metrics
from contrastive_jax.methods.supcon import SupCon
from contrastive_jax.models.outputs import FINAL


@dataclasses.dataclass(frozen=True)
class SupConIn(SupCon):
    """`SupCon` with another loss. An anchor without positives counts as 0."""

    def loss(self, embeddings, extra, batch, key, step):
        z, label = embeddings[FINAL], batch["label"]
        mean = mean_keep(supcon_in(z, label, tau=self.tau, impl=self.similarity))
        metrics = _metrics.by_label("supcon_in", mean, z, label)
        return self.loss_scale * mean, (extra, metrics)
