"""The base class of methods that train several networks together.

Their exits are the networks: `net2`, `net3`, ... and the first one as `final`; intermediate exits carry their network's
name, `net2_block1`.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from contrastive_jax import losses, models
from contrastive_jax.errors import InputError
from contrastive_jax.losses import cross_entropy, l2_normalize, mean_keep
from contrastive_jax.methods import metrics
from contrastive_jax.methods.base import Collections, Images, Method, Metrics, Tree
from contrastive_jax.models.apply import apply_eval, apply_train
from contrastive_jax.models.cohort import Cohort, CohortHeads
from contrastive_jax.models.outputs import FINAL, Outputs

DISTILLATIONS = {
    "none": None,
    "ensemble": losses.ensemble_distill,
    "ensemble_last": losses.ensemble_distill_last,
    "deep_mutual": losses.deep_mutual,
    "collaborative": losses.collaborative,
}
"""What the networks can learn from each other's logits."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CohortMethod(Method):
    """Networks with a classifier and a head each, on one view. Their state is empty by default."""

    head: nn.Module
    """A head to copy: every network gets one like it."""
    num_classes: ClassVar[int]
    """Classes of every network's classifier; 0: no classifiers. A field of methods that have some."""
    networks: int = 2
    """M. The authors' M = 2 shares nothing, their M > 2 shares the first block."""
    peers: tuple[str, ...] = ()
    """Published names of the other networks; (): copies of the first."""
    shared: str = ""
    """Last block of a shared trunk, such as `block1`; empty: independent networks."""
    views: ClassVar[int] = 1

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
        """Images to `{net: Peer}`."""
        return CohortHeads(self.cohort, self.head, self.num_classes)

    def init(self, key, views):
        collections = dict(self.network.init(key, views[:, 0], True))
        return collections.pop("params"), Collections(collections), ()

    def embed(self, params, collections, state, batch, key):
        """`{"logits": {net: [batch, class]}, "z": {net: [batch, dim]}}`, z normalised."""
        peers, network = apply_train(self.network, params, collections.network, batch["view"][:, 0], key=key)
        logits = {name: peer.logits for name, peer in peers.items()}
        z = {name: l2_normalize(peer.embedding) for name, peer in peers.items()}
        return {"logits": logits, "z": z}, collections._replace(network=network)

    def features(self, params: Tree, collections: Collections, images: Images) -> dict[str, Array]:
        return named_exits(
            apply_eval(self.network, params, collections.network, images, method=cohort_outputs)
        )


def cohort_outputs(heads: CohortHeads, images: Images, train: bool) -> dict[str, Outputs]:
    """What the networks return, without classifiers and heads."""
    return heads.cohort(images, train)


def named_exits(outputs: dict[str, Outputs]) -> dict[str, Float[Array, "batch dim"]]:
    """`{"net2_block1": ..., "net2": ..., "final": ...}`, the first network's last."""
    first, *others = outputs
    found = {}
    for name in (*others, first):
        exits = dict(outputs[name].exits)
        found |= {f"{name}_{exit}": exits[exit] for exit in exits if exit != FINAL}
        found[FINAL if name == first else name] = exits[FINAL]
    return found


def classify(
    logits: dict[str, Float[Array, "batch class"]], label: Int[Array, " batch"]
) -> tuple[Any, Metrics]:
    """Sum over the networks of the mean cross-entropy, and every network's accuracy on the batch."""
    accuracy = {f"accuracy_{name}": metrics.accuracy(x, label) for name, x in logits.items()}
    return sum(mean_keep(cross_entropy(x, label)) for x in logits.values()), accuracy


def distillation(
    name: str, weight: float, logits: dict[str, Float[Array, "batch class"]]
) -> tuple[float, Callable[[], Float[Array, " batch"]]]:
    """The term of `weighted` in which the networks learn from each other's logits, by its name in `DISTILLATIONS`."""
    distil = DISTILLATIONS[name]
    return weight if distil else 0.0, lambda: distil(list(logits.values()))


def weighted(terms: dict[str, tuple[float, Callable[[], Float[Array, " batch"]]]]) -> tuple[Any, Metrics]:
    """The weighted sum of the terms' means, and each mean as the metric `loss_<name>`.

    Args:
      terms: {name: (weight, function of nothing that returns per-anchor values)}. A weight of 0 costs nothing.
    """
    means = {name: mean_keep(values()) for name, (weight, values) in terms.items() if weight}
    total = sum((terms[name][0] * mean for name, mean in means.items()), jnp.zeros(()))
    return total, {f"loss_{name}": mean for name, mean in means.items()}
