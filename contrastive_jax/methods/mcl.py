"""MCL (Yang et al. 2022): networks that learn together by contrasting with each other's embeddings. Eq. 8.

    sum over networks of CE + alpha VCL + gamma Soft VCL + beta ICL + lambda Soft ICL

The contrasts come from the batch here; with memory banks or MoCo's queues they are in `mcl_memory`.
"""

import dataclasses
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec

from contrastive_jax import losses
from contrastive_jax.errors import InputError
from contrastive_jax.losses import contrastive_top1, infonce_bound, l2_normalize, share_with_positives
from contrastive_jax.methods.base import Collections
from contrastive_jax.methods.cohort import (
    DISTILLATIONS,
    CohortMethod,
    classify,
    cohort_outputs,
    distillation,
    named_exits,
    weighted,
)
from contrastive_jax.models.apply import apply_eval, apply_train
from contrastive_jax.models.cohort import Cohort, CohortHeads
from contrastive_jax.models.fields import check_choice
from contrastive_jax.parallel.mesh import COHORT, Stack
from contrastive_jax.similarity import Rows


@dataclasses.dataclass(frozen=True, kw_only=True)
class MCL(CohortMethod):
    """Cross-entropy of every network, plus the weighted mutual contrastive terms within the batch. One view.

    A batch should hold every class at least twice (sampler `class_aware`): an anchor without positives adds 0.
    """

    num_classes: int
    tau: float = 0.1
    """Temperature."""
    soft: float = 3.0
    """Softens the distributions of the soft terms: their temperature is tau * soft, their factor soft^2."""
    cross_entropy: float = 1.0
    """Weight of the classifiers' loss."""
    vcl: float = 0.1
    """alpha, weight of the vanilla contrastive loss."""
    soft_vcl: float = 1.0
    """gamma, weight of its mimicry."""
    icl: float = 0.1
    """beta, weight of the interactive contrastive loss."""
    soft_icl: float = 1.0
    """lambda, weight of its mimicry."""
    distillation: str = "none"
    """On logits: `ensemble` (all learn from the mean), `ensemble_last`, `deep_mutual` (DML), `collaborative` (CL)."""
    distillation_weight: float = 1.0
    """Weight of the distillation on logits."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""
    needs_labels: ClassVar[bool] = True

    def __post_init__(self):
        check_choice("method.distillation", self.distillation, DISTILLATIONS)

    def loss(self, embeddings, state, batch, step, key):
        label, logits, z = batch["label"], embeddings["logits"], list(embeddings["z"].values())
        classified, found = classify(logits, label)
        hard, soft = dict(tau=self.tau, impl=self.similarity), dict(soft=self.soft)
        total, terms = weighted(
            {
                "vcl": (self.vcl, partial(losses.vcl, z, label, **hard)),
                "soft_vcl": (self.soft_vcl, partial(losses.soft_vcl, z, **hard, **soft)),
                "icl": (self.icl, partial(losses.icl, z, label, **hard)),
                "soft_icl": (self.soft_icl, partial(losses.soft_icl, z, **hard, **soft)),
                "distillation": distillation(self.distillation, self.distillation_weight, logits),
            }
        )
        rows = Rows(z[0], jnp.arange(len(label)), label)
        found |= terms | {
            "loss_cross_entropy": classified,
            "positives_share": share_with_positives(label),
            "contrastive_top1": contrastive_top1(rows, rows),
        }
        if self.vcl:  # its value is the sum over the networks
            found["infonce_bound"] = infonce_bound(terms["loss_vcl"] / self.networks, len(label) - 1)
        return self.cross_entropy * classified + total, state, found


@dataclasses.dataclass(frozen=True, kw_only=True)
class MCLSharded(MCL):
    """MCL with its networks on different devices: only embeddings and logits travel, every step.

    The same numbers as `MCL` with independent copies of one network. Parameters and collections are `Stack`s of the
    networks; with `--config.cohort_devices=2` the devices form two groups, each with its share of the networks and all
    of the batch.
    """

    peers: tuple[str, ...] = dataclasses.field(default=(), init=False)
    shared: str = dataclasses.field(default="", init=False)
    stacked: ClassVar[bool] = True

    @property
    def one(self) -> CohortHeads:
        """A single network with its classifier and head."""
        return CohortHeads(Cohort((self.encoder,)), self.head, self.num_classes)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"net{i + 1}" for i in range(self.networks))

    def init(self, key, views):
        self.groups()
        made = [dict(self.one.init(k, views[:, 0], True)) for k in jax.random.split(key, self.networks)]
        params = stack([variables.pop("params") for variables in made])
        return params, Collections(stack(made)), ()

    def embed(self, params, collections, state, batch, key):
        def share(stacked, keys, images):
            """Runs this device's networks in sequence; `vmap` would turn them into grouped convolutions."""
            found = []
            for (params, network), k in zip(unstack(stacked), keys):
                peers, network = apply_train(self.one, params, network, images, key=k)
                found.append((peers["net1"].logits, peers["net1"].embedding, network))
            return stack(found).peers

        stacked = Stack((params.peers, collections.network.peers))
        keys = jax.random.split(key, self.networks)
        logits, z, network = self._spread(share)(stacked, keys, batch["view"][:, 0])
        embeddings = {
            "logits": dict(zip(self.names, logits)),
            "z": {name: l2_normalize(x) for name, x in zip(self.names, z)},
        }
        return embeddings, collections._replace(network=Stack(network))

    def features(self, params, collections, images):
        outputs: dict[str, Any] = {}
        stacked = Stack((params.peers, collections.network.peers))
        for name, (of_one, network) in zip(self.names, unstack(stacked)):
            outputs[name] = apply_eval(self.one, of_one, network, images, method=cohort_outputs)["net1"]
        return named_exits(outputs)

    def _spread(self, share):
        """`share` on every group of devices with its networks; the batch stays the compiler's to split."""
        if self.groups() == 1:
            return share
        own, everywhere = PartitionSpec(COHORT), PartitionSpec()
        return jax.shard_map(
            share, in_specs=(own, own, everywhere), out_specs=own, axis_names={COHORT}, check_vma=False
        )

    def groups(self) -> int:
        """Groups of devices in the current mesh, each with equally many of the networks."""
        groups = dict(jax.sharding.get_abstract_mesh().shape).get(COHORT, 1)
        if self.networks % groups:
            raise InputError(
                f"cohort_devices is {groups}: it must divide the {self.networks} networks of the cohort."
            )
        return groups


def stack(trees) -> Stack:
    """Equal trees as one, leaf by leaf along a new first axis."""
    return Stack(jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees))


def unstack(stacked: Stack) -> list[Any]:
    """The trees that were stacked, in order."""
    leaves, structure = jax.tree.flatten(stacked.peers)
    return [structure.unflatten(parts) for parts in zip(*leaves)]
