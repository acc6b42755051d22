"""MCL with a memory bank (Yang et al. 2022, Fig. 3): for many classes, where a batch holds too few of each.

Every network remembers one embedding per training example. An anchor is contrasted with slots drawn for it: some of
its own class, many of other classes.
"""

import dataclasses
from functools import partial
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from contrastive_jax.errors import InputError
from contrastive_jax.losses import bank, mutual_memory
from contrastive_jax.losses.diagnostics import infonce_bound
from contrastive_jax.methods import _cohort


@dataclasses.dataclass(frozen=True)
class MCLBank:
    """The terms and weights of `MCL`, against memories that are used first and then moved towards the batch."""

    encoder: nn.Module
    head: nn.Module
    num_classes: int
    labels: Any
    """Of the training set: they say which slots are positives."""
    networks: int = 2
    peers: tuple[str, ...] = ()
    """Published names of the other networks; (): copies of the first."""
    shared: str = ""
    """Last block of a shared trunk, such as `block2`; empty: independent networks."""
    tau: float = 0.07
    soft: float = 3.0
    """Softens the distributions of the soft terms: their temperature is tau * soft, their factor soft^2."""
    positives: int = 1
    """Slots of the anchor's class drawn besides its own; the draw may pick the own one again."""
    negatives: int = 8192
    """Slots of other classes drawn, with replacement."""
    memory_momentum: float = 0.5
    """m <- normalise(momentum m + (1 - momentum) v)."""
    cross_entropy: float = 1.0
    vcl: float = 0.1
    soft_vcl: float = 1.0
    icl: float = 0.1
    soft_icl: float = 1.0
    views: ClassVar[int] = 1

    cohort = _cohort.cohort
    network = _cohort.network
    embed = _cohort.embed
    features = _cohort.features

    def init(self, key, views):
        _, counts = np.unique(self.labels, return_counts=True)
        if np.min(self.labels) < 0 or len(counts) < 2:
            raise InputError("the memory bank of MCL needs labels of at least two classes.")
        key, *memory_keys = jax.random.split(key, 1 + self.networks)
        params, extra = _cohort.init(self, key, views)
        extra["memory"] = {
            name: bank.memory(memory_key, len(self.labels), self.head.dim)
            for name, memory_key in zip(self.cohort.names, memory_keys)
        }
        return params, {**extra, "slots": slots_by_class(self.labels, self.num_classes)}

    def loss(self, embeddings, extra, batch, key, step):
        label, index = batch["label"], batch["index"]
        classified, metrics = _cohort.classify(embeddings["logits"], label)
        z, memories = list(embeddings["z"].values()), list(extra["memory"].values())
        positives, negatives = draw(
            key, extra["slots"], index, label, positives=self.positives, negatives=self.negatives
        )
        drawn = (z, memories, positives, negatives)
        hard, soft = dict(tau=self.tau), dict(tau=self.tau, soft=self.soft)
        total, terms = _cohort.weighted(
            {
                "vcl": (self.vcl, partial(mutual_memory.vcl_memory, *drawn, **hard)),
                "soft_vcl": (self.soft_vcl, partial(mutual_memory.soft_vcl_memory, *drawn, **soft)),
                "icl": (self.icl, partial(mutual_memory.icl_memory, *drawn, **hard)),
                "soft_icl": (self.soft_icl, partial(mutual_memory.soft_icl_memory, *drawn, **soft)),
            }
        )
        if self.vcl:
            contrasts = self.positives + self.negatives
            terms["infonce_bound"] = infonce_bound(terms["loss_vcl"] / self.networks, contrasts)
        memory = {
            name: bank.update_memory(old, index, embeddings["z"][name], momentum=self.memory_momentum)
            for name, old in extra["memory"].items()
        }
        metrics |= terms | {"loss_cross_entropy": classified, "positives_share": jnp.ones(())}
        return self.cross_entropy * classified + total, ({**extra, "memory": memory}, metrics)

    def after_update(self, params, extra, step):
        return extra


def slots_by_class(labels: np.ndarray, classes: int) -> dict[str, jax.Array]:
    """`order`: slots sorted by class; `start` and `count` [class]: where each class's run begins, and its length."""
    count = np.bincount(labels, minlength=classes)
    table = {
        "order": np.argsort(labels, kind="stable"),
        "start": np.cumsum(count) - count,
        "count": count,
    }
    return {name: jnp.asarray(values, jnp.int32) for name, values in table.items()}


def draw(key, slots, index, label, *, positives: int, negatives: int):
    """Slots for every anchor: `[sample, 1 + positives]`, its own first, and `[sample, negatives]` of other classes."""
    order, start, count = slots["order"], slots["start"][label][:, None], slots["count"][label][:, None]
    of_class, of_others = (
        jax.random.uniform(k, (len(label), n)) for k, n in zip(jax.random.split(key), (positives, negatives))
    )
    same = start + jnp.floor(of_class * count).astype(jnp.int32)
    others = len(order) - count
    # Counted from the end of the class's run and round: every slot of another class is equally likely.
    other = (start + count + jnp.floor(of_others * others).astype(jnp.int32)) % len(order)
    own = index.astype(jnp.int32)[:, None]
    return jnp.concatenate([own, order[same]], axis=1), order[other]
