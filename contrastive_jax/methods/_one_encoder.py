"""The functions that methods with one encoder and no further state share; each takes them over by name.

Such a method has `encoder` and `head`; its `extra` holds BatchNorm statistics under `batch_stats`, where the
network has any.
"""

import jax

from contrastive_jax.losses.normalize import l2_normalize
from contrastive_jax.models.heads import MultiExit


@property
def network(self) -> MultiExit:
    return MultiExit(self.encoder, self.head)


def init(self, key, views):
    extra = dict(self.network.init(key, views[:, 0], True))
    return extra.pop("params"), extra


def embed(self, params, extra, batch, key):
    """Normalised head outputs `{exit: [batch, view, dim]}`."""
    projected, extra = forward(self.network, params, extra, batch["view"])
    return jax.tree.map(l2_normalize, projected), extra


def features(self, params, extra, images):
    exits, _ = self.network.apply({"params": params, **extra}, images, False)
    return exits


def after_update(self, params, extra, step):
    """Nothing moves but by the optimizer."""
    return extra


def forward(network, params, extra, views):
    """Head outputs `{exit: [batch, view, dim]}` in train mode, and the new `extra`.

    All views pass the network as one batch, so BatchNorm sees them together, as in the authors' code.
    """
    batch, n_views = views.shape[:2]
    (_, projected), extra = network.apply(
        {"params": params, **extra}, views.reshape(-1, *views.shape[2:]), True, mutable=list(extra)
    )
    return jax.tree.map(lambda z: z.reshape(batch, n_views, -1), projected), extra
