"""MCL on MoCo and MoCo v2 (Yang et al. 2022, Fig. 2): networks that learn together without labels."""

import dataclasses
from functools import partial
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from contrastive_jax.losses import bank, mutual_memory
from contrastive_jax.losses.diagnostics import infonce_bound
from contrastive_jax.losses.normalize import l2_normalize
from contrastive_jax.methods import _cohort, _ema


@dataclasses.dataclass(frozen=True)
class MCLMoCo:
    """Every network has a slow copy that makes keys, and a queue of them; all four terms weigh 1.

    MoCo has a linear head (`head.depth=1`), MoCo v2 an MLP (`head.depth=2`). The queues are used before the new
    keys enter. The authors move the slow copies before the keys of a step, here they move after the step before.
    """

    encoder: nn.Module
    head: nn.Module
    networks: int = 2
    peers: tuple[str, ...] = ()
    """Published names of the other networks; (): copies of the first."""
    shared: str = ""
    """Last block of a shared trunk; empty: independent networks."""
    tau: float = 0.07
    soft: float = 3.0
    """Softens the distributions of the soft terms: their temperature is tau * soft, their factor soft^2."""
    queue_size: int = 65536
    teacher_momentum: float = 0.999
    vcl: float = 1.0
    soft_vcl: float = 1.0
    icl: float = 1.0
    soft_icl: float = 1.0
    similarity: str = "auto"
    """Implementation of the similarity engine."""
    views: ClassVar[int] = 2

    cohort = _cohort.cohort
    network = _cohort.network
    features = _cohort.features

    def init(self, key, views):
        key, *queue_keys = jax.random.split(key, 1 + self.networks)
        params, extra = _cohort.init(self, key, views)
        queues = {
            name: bank.queue(queue_key, self.queue_size, self.head.dim)
            for name, queue_key in zip(self.cohort.names, queue_keys)
        }
        return params, {**extra, "teacher": {"params": params, **extra}, "queue": queues}

    def embed(self, params, extra, batch, key):
        """Normalised `query` (first view) and `key` (second view, by the slow copies): `{net: [batch, dim]}`."""
        query_key, key = jax.random.split(key)
        state = _cohort.network_state(extra)
        queries, moved = self._pass({"params": params, **state}, batch["view"][:, 0], query_key)
        keys, teacher = self._keys(extra["teacher"], batch["view"][:, 1], key)
        extra = {**extra, **moved, "teacher": {**extra["teacher"], **teacher}}
        return {"query": queries, "key": jax.lax.stop_gradient(keys)}, extra

    def loss(self, embeddings, extra, batch, key, step):
        queries, keys = (list(embeddings[name].values()) for name in ("query", "key"))
        queues = [queue.z for queue in extra["queue"].values()]
        drawn = (queries, keys, queues)
        hard = dict(tau=self.tau, impl=self.similarity)
        soft = dict(**hard, soft=self.soft)
        total, terms = _cohort.weighted(
            {
                "vcl": (self.vcl, partial(mutual_memory.vcl_moco, *drawn, **hard)),
                "soft_vcl": (self.soft_vcl, partial(mutual_memory.soft_vcl_moco, *drawn, **soft)),
                "icl": (self.icl, partial(mutual_memory.icl_moco, *drawn, **hard)),
                "soft_icl": (self.soft_icl, partial(mutual_memory.soft_icl_moco, *drawn, **soft)),
            }
        )
        if self.vcl:
            terms["infonce_bound"] = infonce_bound(terms["loss_vcl"] / self.networks, 1 + self.queue_size)
        nobody = jnp.full(len(batch["index"]), -1)
        queue = {
            name: bank.push(old, embeddings["key"][name], nobody) for name, old in extra["queue"].items()
        }
        return total, ({**extra, "queue": queue}, terms | {"positives_share": jnp.ones(())})

    def after_update(self, params, extra, step):
        slow = _ema.update(extra["teacher"]["params"], params, self.teacher_momentum)
        return {**extra, "teacher": {**extra["teacher"], "params": slow}}

    def _pass(self, state, images, key):
        peers, moved = _cohort.train(self.network, state, images, key)
        return {name: l2_normalize(peer.embedding) for name, peer in peers.items()}, moved

    def _keys(self, teacher, images, key):
        """Where BatchNorm works in groups, in another order than the queries: no group sees a query's own key."""
        if self.encoder.norm_group == 0:
            return self._pass(teacher, images, key)
        order_key, key = jax.random.split(key)
        order = jax.random.permutation(order_key, len(images))
        keys, moved = self._pass(teacher, images[order], key)
        return jax.tree.map(lambda k: k[jnp.argsort(order)], keys), moved
