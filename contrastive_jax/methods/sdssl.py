"""SDSSL (Jang et al. 2023): intermediate layers of a self-supervised network learn from its final one.

Every exit of the student has its own projector, and its own predictor where there is a teacher; heads of equal shape
run as one batched product. The final exit comes last in every array.
"""

import abc
import dataclasses

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from contrastive_jax import losses
from contrastive_jax.errors import InputError, nearest
from contrastive_jax.losses import SDSimCLRTerms, SDTerms, infonce_bound, l2_normalize, mean_keep
from contrastive_jax.methods import metrics
from contrastive_jax.methods.base import Collections, Metrics
from contrastive_jax.methods.student_teacher import (
    Exits,
    PredictingStudent,
    Student,
    agreement,
    cosine_ramp,
)
from contrastive_jax.models import parts
from contrastive_jax.models.heads import ExitHeads
from contrastive_jax.models.outputs import FINAL

ALPHAS = {"cosine": cosine_ramp, "constant": lambda peak, step, total_steps: jnp.full((), peak)}
"""How the weight of L_isd moves: `cosine` from 0 to its peak; `constant` is the ablation of Table 6."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SelfDistilled(Student):
    """A student with a head on every exit, and the weight of L_isd."""

    total_steps: int
    alpha: float = 0.8
    """Peak of the weight of L_isd."""
    alpha_schedule: str = "cosine"
    """`cosine`: from 0 to the peak over the run. `constant`: the ablation."""
    layer_hidden: int = 0
    """Width of the hidden layers of the intermediate projectors; 0: as the final one's."""

    def __post_init__(self):
        if self.alpha_schedule not in ALPHAS:
            raise InputError(
                f"config.method.alpha_schedule is '{self.alpha_schedule}':"
                f" {nearest(self.alpha_schedule, ALPHAS)}"
            )
        if not self.encoder.subnetworks:
            raise InputError(
                "SDSSL distils into intermediate exits: name them in config.network.subnetworks, e.g. ('layer06',)"
                " or ('block1', 'block2')."
            )

    @property
    def projector(self) -> ExitHeads:
        """`head` on the final exit, and on the others a head of their hidden width."""
        return ExitHeads(self.head.clone(hidden=self.layer_hidden or self.head.hidden), self.head)

    def projected(self, exits: Exits) -> Exits:
        """Every exit is projected."""
        return exits

    def weight(self, step: Int[Array, ""]) -> Float[Array, ""]:
        """alpha, the weight of L_isd in this step."""
        return ALPHAS[self.alpha_schedule](self.alpha, step, self.total_steps)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SDSSLSimCLR(SelfDistilled):
    """SD-SimCLR (Eq. 6): NT-Xent of the final layer plus alpha L_isd, whose target is the other view's final output.

    There is no teacher and no predictor: the target is detached.
    """

    tau: float = 0.2
    """Temperature."""
    loss_scale: float = 1.0
    """Factor on the loss; it scales the learning rate."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""

    def embed(self, params, collections, state, batch, key):
        """Normalised projections [batch, view, layer, dim]. Both views pass the network as one batch."""
        images = batch["view"]
        h, student = self.project(params, collections.network, images.reshape(-1, *images.shape[2:]), key)
        z = l2_normalize(by_layer(h))
        return z.reshape(*images.shape[:2], *z.shape[1:]), collections._replace(network=student)

    def loss(self, embeddings, state, batch, step, key):
        terms = losses.sd_simclr(embeddings, tau=self.tau, impl=self.similarity)
        return self.total(terms, embeddings, state, step)

    def total(self, terms: SDSimCLRTerms, z: Float[Array, "sample view layer dim"], state, step):
        """Eq. 6, and its terms unweighted."""
        alpha, ssl, isd = self.weight(step), jnp.mean(terms.ssl), jnp.mean(terms.isd)
        found = metrics.by_instance("ssl", ssl, z[:, :, -1]) | {"loss_isd": isd, "alpha": alpha}
        return self.loss_scale * (ssl + alpha * isd), state, found


@dataclasses.dataclass(frozen=True, kw_only=True)
class SDSSLSimCLRSameView(SDSSLSimCLR):
    """The ablation of the view (App. C): layers mimic the final output of their own view; the other is left out."""

    def loss(self, embeddings, state, batch, step, key):
        terms = losses.sd_simclr_same_view(embeddings, tau=self.tau, impl=self.similarity)
        return self.total(terms, embeddings, state, step)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SelfDistilledStudent(SelfDistilled, PredictingStudent):
    """A student all of whose layers predict the teacher's final projection of the other view: Eq. 8.

        L_ssl + alpha L_isd + beta L_pred

    L_ssl is the final layer's loss, L_isd the mean of the others', and L_pred the sum of the same losses with detached
    projections, from which only the predictors learn (Eq. 7). Subclasses say what one direction costs: `layers`.
    """

    beta: float = 1.0
    """Weight of L_pred."""
    loss_scale: float = 1.0
    """Factor on the loss; it scales the learning rate."""

    def embed(self, params, collections, state, batch, key):
        """The student's `prediction` and `detached`, [batch, view, layer, dim]; the teacher's `target`. All raw.

        `detached` are the predictions of detached projections.
        """
        found = {"prediction": [], "detached": [], "target": []}
        student, teacher = collections
        for view in range(self.views):
            images, keys = batch["view"][:, view], jax.random.split(jax.random.fold_in(key, view))
            h, student = self.project(params, student, images, keys[0])
            q, student = parts.train("predictor", self.predictor, params, student, h)
            p, student = parts.train("predictor", self.predictor, params, student, lax.stop_gradient(h))
            z, teacher = self.teach(state.teacher, teacher, images, keys[1])
            for name, value in zip(found, (by_layer(q), by_layer(p), z)):
                found[name].append(value)
        return {name: jnp.stack(views, 1) for name, views in found.items()}, Collections(student, teacher)

    def loss(self, embeddings, state, batch, step, key):
        q, p, z = (embeddings[name] for name in ("prediction", "detached", "target"))
        terms = SDTerms.of_layers(self.both_directions(q, z), self.both_directions(p, z))
        alpha = self.weight(step)
        loss = mean_keep(terms.weighted(alpha=alpha, beta=self.beta))
        found = {
            "loss_ssl": jnp.mean(terms.ssl),
            "loss_isd": jnp.mean(terms.isd),
            "loss_pred": jnp.mean(jnp.sum(terms.prediction, axis=1)),
            "alpha": alpha,
            "teacher_momentum": self.momentum(step),
            "positives_share": jnp.ones(()),
            "contrastive_top1": agreement(q[:, 0, -1], z[:, 1]),
        }
        return self.loss_scale * loss, state, found | self.bound(found["loss_ssl"], z)

    def both_directions(
        self, q: Float[Array, "sample 2 layer dim"], z: Float[Array, "sample 2 dim"]
    ) -> Float[Array, "sample layer"]:
        """Each view's predictions against the other's targets, added."""
        return self.layers(q[:, 0], z[:, 1]) + self.layers(q[:, 1], z[:, 0])

    @abc.abstractmethod
    def layers(
        self, q: Float[Array, "sample layer dim"], z: Float[Array, "sample dim"]
    ) -> Float[Array, "sample layer"]:
        """The loss of every layer, in one direction."""

    def bound(self, loss_ssl: Float[Array, ""], z: Float[Array, "sample 2 dim"]) -> Metrics:
        """The InfoNCE bound, where L_ssl has one."""
        return {}


@dataclasses.dataclass(frozen=True, kw_only=True)
class SDSSLBYOL(SelfDistilledStudent):
    """SD-BYOL: Eq. 8 with BYOL's squared distance.

    The authors' script takes the mean over all layers as L_ssl while alpha is 0, which it is in the first step alone;
    here the first step is like the others.
    """

    def layers(self, q, z):
        return losses.layers_byol(q, z)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SDSSLMoCoV3(SelfDistilledStudent):
    """SD-MoCo v3 (Alg. 1): Eq. 8 with the contrastive loss against the teacher's keys of the global batch.

    The authors' code has `loss_scale` 2 tau.
    """

    tau: float = 0.2
    """Temperature."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""

    def layers(self, q, z):
        return losses.layers_contrastive(l2_normalize(q), l2_normalize(z), tau=self.tau, impl=self.similarity)

    def bound(self, loss_ssl, z):
        return {"infonce_bound": infonce_bound(loss_ssl / 2, z.shape[0])}


def by_layer(exits: Exits) -> Float[Array, "batch layer dim"]:
    """The exits as one array, the final one last regardless of the order in the dict."""
    return jnp.stack([exits[name] for name in (*sorted({*exits} - {FINAL}), FINAL)], 1)
