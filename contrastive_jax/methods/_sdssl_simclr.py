"""What SD-SimCLR and its same-view ablation share: no teacher, and both views in one batch for BatchNorm."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from contrastive_jax.losses.generalized import nt_xent
from contrastive_jax.losses.normalize import l2_normalize
from contrastive_jax.methods import _metrics, _sdssl, _teacher


def init(self, key, views):
    return _teacher.start(self, key, views[:, 0], "projector")


def embed(self, params, extra, batch, key):
    """Normalised projections `[batch, view, layer, dim]`, the final layer last."""
    images = batch["view"]
    h, extra = _teacher.project(self, params, extra, images.reshape(-1, *images.shape[2:]), key)
    z = l2_normalize(_sdssl.by_layer(h))
    return z.reshape(*images.shape[:2], *z.shape[1:]), extra


def after_update(self, params, extra, step):
    """Nothing moves but by the optimizer."""
    return extra


def total(
    self,
    z: Float[Array, "sample view layer dim"],
    isd: Float[Array, "sample view intermediate"],
    step: Int[Array, ""],
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """Eq. 6, and its terms unweighted."""
    final, alpha = z[:, :, -1], _sdssl.weight(self, step)
    ssl, mean_isd = jnp.mean(nt_xent(final, tau=self.tau, impl=self.similarity)), jnp.mean(isd)
    metrics = _metrics.by_instance("ssl", ssl, final) | {"loss_isd": mean_isd, "alpha": alpha}
    return self.loss_scale * (ssl + alpha * mean_isd), metrics
