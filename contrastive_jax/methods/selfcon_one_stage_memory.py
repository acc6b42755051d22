"""SelfCon's one-stage training against remembered outputs: CRD, ML-CPC and CompRess (see `selfcon_one_stage`)."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from contrastive_jax import losses
from contrastive_jax.errors import InputError
from contrastive_jax.losses import Queue, l2_normalize
from contrastive_jax.methods.memory import check_memory
from contrastive_jax.methods.selfcon import subnetworks
from contrastive_jax.methods.selfcon_one_stage import Matching, Seen
from contrastive_jax.models.outputs import FINAL


class MemoryState(NamedTuple):
    """What ML-CPC remembers."""

    memory: Float[Array, "example dim"]
    """The backbone's normalised outputs, mixed into their slots with momentum after use."""


class CRDState(NamedTuple):
    """What CRD remembers."""

    memory: Float[Array, "example dim"]
    """The backbone's normalised outputs, mixed into their slots with momentum after use."""
    log_z: dict[str, Float[Array, ""]]
    """Each sub-network's normalising constant, taken at the first step, then kept."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class AgainstMemory(Matching):
    """l against a memory with a slot per training image: CRD and ML-CPC.

    The reference codes also contrast the backbone with a memory of the student; SelfCon detaches the backbone, so that
    side has no gradient and is left out, with its memory.
    """

    examples: int
    tau: float = 0.07
    """Temperature."""
    negatives: int = 16384
    """Memory slots that every image is contrasted with, besides its own."""
    memory_momentum: float = 0.5
    """Share of itself that a slot keeps."""

    def __post_init__(self):
        super().__post_init__()
        if self.examples < 2 or self.negatives < 1:
            raise InputError(
                f"a memory of {self.examples} examples cannot give {self.negatives} negatives:"
                " config.method.negatives must be at least 1, and the training set must hold 2 images or more."
            )

    def init(self, key, views):
        params, collections, _ = super().init(key, views)
        memory = losses.new_memory(jax.random.fold_in(key, 2**16), self.examples, self.seen_dim)
        return params, collections, MemoryState(memory)

    def scores(self, students: Seen, memory, index: Int[Array, " batch"], key) -> dict[str, Array]:
        """Logits of each sub-network against the memory, {name: [batch, 1 + negatives]}, the image's own slot first."""
        slots = drawn_slots(key, index, examples=self.examples, negatives=self.negatives)
        return {
            name: losses.memory_scores(l2_normalize(w), memory, slots, tau=self.tau)
            for name, w in students.items()
        }

    def moved(self, memory, index: Int[Array, " batch"], teacher):
        """The memory after the batch."""
        return losses.update_memory(memory, index, l2_normalize(teacher), momentum=self.memory_momentum)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SelfCon1StageCRD(AgainstMemory):
    """Contrastive representation distillation (Tian et al. 2020)."""

    beta: float = 0.8
    """Features: CE + beta l. Logits: beta CE + (1 - beta) l, where the paper takes 0.5."""

    def init(self, key, views):
        params, collections, state = super().init(key, views)
        return (
            params,
            collections,
            CRDState(state.memory, {name: jnp.zeros(()) for name in subnetworks(params)}),
        )

    def distill(self, students, teacher, state, batch, step, key):
        scores, examples = self.scores(students, state.memory, batch["index"], key), self.examples
        log_z = {
            name: jnp.where(step == 0, losses.crd_constant(s, examples=examples), state.log_z[name])
            for name, s in scores.items()
        }
        distilled = {
            name: losses.norm_scaled(losses.crd(s, log_z[name], examples=examples), teacher)
            for name, s in scores.items()
        }
        return distilled, CRDState(self.moved(state.memory, batch["index"], teacher), log_z), {}


@dataclasses.dataclass(frozen=True, kw_only=True)
class SelfCon1StageMLCPC(AgainstMemory):
    """Multi-label contrastive predictive coding (Song & Ermon 2020).

    As CRD, but each image picks its slot among those of the whole batch, under one denominator.
    """

    alpha: float = 0.01
    """Weight of the positives in the denominator."""

    def distill(self, students, teacher, state, batch, step, key):
        scores = self.scores(students, state.memory, batch["index"], key)
        distilled = {
            name: losses.norm_scaled(losses.ml_cpc(s, alpha=self.alpha), teacher)
            for name, s in scores.items()
        }
        return distilled, MemoryState(self.moved(state.memory, batch["index"], teacher)), {}


class CompressState(NamedTuple):
    """What CompRess remembers."""

    queues: dict[str, Queue]
    """Each exit's last normalised outputs, of the same images; used, then updated."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SelfCon1StageCompress(Matching):
    """CompRess (Koohpayegani et al. 2020): sub-networks learn which images the backbone finds similar.

    The queues start with random directions, different for every exit.
    """

    batch_size: int
    tau: float = 0.04
    """Temperature."""
    queue_size: int = 16384
    """Outputs remembered per exit."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""

    def __post_init__(self):
        super().__post_init__()
        check_memory("queue_size", self.queue_size, self.batch_size)

    def init(self, key, views):
        params, collections, _ = super().init(key, views)
        names = [*subnetworks(params), FINAL]
        keys = jax.random.split(jax.random.fold_in(key, 2**16), len(names))
        queues = {name: losses.new_queue(k, self.queue_size, self.seen_dim) for name, k in zip(names, keys)}
        return params, collections, CompressState(queues)

    def distill(self, students, teacher, state, batch, step, key):
        queues, z = state.queues, {name: l2_normalize(w) for name, w in students.items()}
        z[FINAL] = l2_normalize(teacher)

        def matched(name):
            similar = (z[name], z[FINAL], queues[name].z, queues[FINAL].z)
            return losses.compress(*similar, tau=self.tau, impl=self.similarity)

        distilled = {name: losses.norm_scaled(matched(name), teacher) for name in students}
        unlabelled = jnp.full_like(batch["label"], -1)
        pushed = {name: losses.push(queue, z[name], unlabelled) for name, queue in queues.items()}
        return distilled, CompressState(pushed), {}


def drawn_slots(
    key: Array, index: Int[Array, " sample"], *, examples: int, negatives: int
) -> Int[Array, "sample slot"]:
    """The image's own slot, then `negatives` others, drawn uniformly with replacement."""
    step = jax.random.randint(key, (index.shape[0], negatives), 1, examples)
    return jnp.concatenate([index[:, None], (index[:, None] + step) % examples], axis=1)
