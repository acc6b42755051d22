"""The functions that methods with one encoder share; each takes them over by name.

Such a method has `encoder` and `head`. `extra` holds the BatchNorm statistics under `batch_stats`, where the
network has any, beside whatever state the method adds under other names.
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
    projected, extra = forward(self.network, params, extra, batch["view"], key)
    return jax.tree.map(l2_normalize, projected), extra


def features(self, params, extra, images):
    exits, _ = self.network.apply({"params": params, **network_state(extra)}, images, False)
    return exits


def after_update(self, params, extra, step):
    """Nothing moves but by the optimizer."""
    return extra


def forward(network, params, extra, views, key=None):
    """Head outputs `{exit: [batch, view, dim]}` in train mode, and the new `extra`."""
    (_, projected), extra = forward_both(network, params, extra, views, key)
    return projected, extra


def forward_both(network, params, extra, views, key=None):
    """Representations and head outputs, each `{exit: [batch, view, dim]}`, and the new `extra`.

    All views pass the network as one batch, so BatchNorm sees them together, as in the authors' code.
    key: for dropout and drop path; networks without them need none.
    """
    batch, n_views = views.shape[:2]
    state = network_state(extra)
    images, rngs = views.reshape(-1, *views.shape[2:]), {} if key is None else {"dropout": key}
    found, state = network.apply({"params": params, **state}, images, True, mutable=list(state), rngs=rngs)
    return jax.tree.map(lambda z: z.reshape(batch, n_views, -1), found), {**extra, **state}


def network_state(extra):
    """What in `extra` the network itself keeps."""
    return {name: tree for name, tree in extra.items() if name in ("batch_stats", "frozen")}
