"""One-stage SelfCon with CompRess (Koohpayegani et al. 2020): sub-networks learn whom the backbone finds similar."""

import dataclasses
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from contrastive_jax.losses import bank
from contrastive_jax.losses.distill import compress, norm_scaled
from contrastive_jax.losses.normalize import l2_normalize
from contrastive_jax.methods import _memory, _one_encoder, _one_stage, _several_exits
from contrastive_jax.models.outputs import FINAL


@dataclasses.dataclass(frozen=True)
class SelfCon1StageCompress:
    """`extra["queues"]`: {exit: the last normalised outputs}, of the same images; used, then updated.

    They start with random directions, other ones for every exit.
    """

    encoder: nn.Module
    head: nn.Module
    num_classes: int
    batch_size: int
    form: str = "features"
    """`features`: of projection heads; `logits`."""
    beta: float = 1.0
    """Features: CE + beta l. Logits: beta CE + (1 - beta) l, where the paper takes 0.5."""
    tau: float = 0.04
    """Temperature."""
    queue_size: int = 16384
    """Outputs remembered per exit."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""
    views: ClassVar[int] = 1

    def __post_init__(self):
        _one_stage.check(self)
        _memory.check_size("queue_size", self.queue_size, self.batch_size)

    network = _one_stage.network
    embed = _one_stage.embed
    after_update = _one_encoder.after_update
    features = _one_encoder.features

    def init(self, key, views):
        params, extra = _one_stage.init(self, key, views)
        names = [*_several_exits.subnetworks(params), FINAL]
        keys = jax.random.split(jax.random.fold_in(key, 2**16), len(names))
        dim = _one_stage.seen_dim(self)
        return params, extra | {
            "queues": {name: bank.queue(k, self.queue_size, dim) for name, k in zip(names, keys)}
        }

    def loss(self, embeddings, extra, batch, key, step):
        students, teacher = _one_stage.sides(embeddings)
        queues, z = extra["queues"], {name: l2_normalize(w) for name, w in students.items()}
        z[FINAL] = l2_normalize(teacher)

        def distil(name):
            queue, known = queues[name].z, queues[FINAL].z
            return compress(z[name], z[FINAL], queue, known, tau=self.tau, impl=self.similarity)

        distilled = {name: norm_scaled(distil(name), teacher) for name in students}
        loss, metrics = _one_stage.total(self, embeddings, batch, distilled)
        nobody = jnp.full_like(batch["label"], -1)
        pushed = {name: bank.push(queue, z[name], nobody) for name, queue in queues.items()}
        return loss, (extra | {"queues": pushed}, metrics)
