"""What the methods with several networks share; each takes the functions over by name.

Such a method has `encoder`, `networks`, `peers`, `shared` and `head`. Its exits are the networks: `net2`, `net3`,
... and the first one as `final`; intermediate exits carry their network's name, `net2_block1`.
"""

import jax.numpy as jnp

from contrastive_jax import models
from contrastive_jax.errors import InputError
from contrastive_jax.losses.classification import cross_entropy
from contrastive_jax.losses.normalize import l2_normalize
from contrastive_jax.losses.reduce import mean_keep
from contrastive_jax.methods._one_encoder import network_state
from contrastive_jax.models.cohort import Cohort, CohortHeads
from contrastive_jax.models.outputs import FINAL


@property
def cohort(self) -> Cohort:
    """`networks` copies of the encoder, or the encoder and the networks that `peers` names."""
    if not self.peers:
        return Cohort((self.encoder,) * self.networks, self.shared)
    if len(self.peers) != self.networks - 1:
        raise InputError(
            f"method.peers names {len(self.peers)} networks beside the first: give method.networks="
            f"{len(self.peers) + 1}, or other peers."
        )
    same = dict(dtype=self.encoder.dtype, norm_group=self.encoder.norm_group)
    return Cohort((self.encoder, *(models.network(name, **same) for name in self.peers)), self.shared)


@property
def network(self) -> CohortHeads:
    return CohortHeads(self.cohort, self.head, getattr(self, "num_classes", 0))


def init(self, key, views):
    extra = dict(self.network.init(key, views[:, 0], True))
    return extra.pop("params"), extra


def embed(self, params, extra, batch, key):
    """Of one view: `{"logits": {net: [batch, class]}, "z": {net: [batch, dim]}}`, z normalised."""
    peers, moved = train(self.network, {"params": params, **network_state(extra)}, batch["view"][:, 0], key)
    logits = {name: peer.logits for name, peer in peers.items()}
    z = {name: l2_normalize(peer.embedding) for name, peer in peers.items()}
    return {"logits": logits, "z": z}, {**extra, **moved}


def features(self, params, extra, images):
    outputs = self.network.apply(
        {"params": params, **network_state(extra)}, images, False, method=lambda heads, *x: heads.cohort(*x)
    )
    return named_exits(outputs)


def named_exits(outputs):
    """`{"net2_block1": ..., "net2": ..., "final": ...}`, the first network's last."""
    first, *others = outputs
    found = {}
    for name in (*others, first):
        own = dict(outputs[name].exits)
        found |= {f"{name}_{exit}": own[exit] for exit in own if exit != FINAL}
        found[FINAL if name == first else name] = own[FINAL]
    return found


def train(network, state, images, key):
    """The cohort in train mode, and the new statistics. key: for dropout and drop path."""
    collections = [name for name in state if name != "params"]
    peers, moved = network.apply(state, images, True, mutable=collections, rngs={"dropout": key})
    return peers, dict(moved)


def classify(logits, label):
    """Sum over the networks of the mean cross-entropy, and every network's accuracy on the batch."""
    losses = [mean_keep(cross_entropy(x, label)) for x in logits.values()]
    accuracy = {
        f"accuracy_{name}": jnp.mean(jnp.argmax(x, -1) == label, dtype=jnp.float32)
        for name, x in logits.items()
    }
    return sum(losses), accuracy


def weighted(terms):
    """`terms`: {name: (weight, function of nothing that gives per-anchor values)}. A weight of 0 costs nothing.

    Returns the weighted sum of means and each mean as the metric `loss_<name>`.
    """
    means = {name: mean_keep(values()) for name, (weight, values) in terms.items() if weight}
    total = sum((terms[name][0] * mean for name, mean in means.items()), jnp.zeros(()))
    return total, {f"loss_{name}": mean for name, mean in means.items()}
