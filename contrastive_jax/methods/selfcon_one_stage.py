"""SelfCon's one-stage training: encoder and classifiers at once (Bae et al. 2021, Sec. 4.6, App. B and F).

    L = CE(backbone) + sum over sub-networks of (CE combined with beta and a loss l(sub-network, backbone))

The backbone is detached in l, so it learns from labels alone. l looks either at `features`, outputs of a projection
head per exit (Table 7: CE + beta l), or at `logits`, without further heads (Table 10: beta CE + (1 - beta) l).

App. B multiplies "the norm of the outputs" to match the size of the gradients, without saying whose: here it is the
backbone's. With the sub-network's norm, nothing damps its growth, and CRD and CompRess were at infinity within 75
steps (width 16, rate 0.1).
"""

import abc
import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from contrastive_jax import losses
from contrastive_jax.errors import InputError, nearest
from contrastive_jax.losses import contrastive_top1, l2_normalize, mean_keep, share_with_positives
from contrastive_jax.methods import metrics
from contrastive_jax.methods.base import Collections, Metrics, OneEncoder
from contrastive_jax.methods.selfcon import with_subnetworks
from contrastive_jax.models.apply import apply_train
from contrastive_jax.models.heads import MultiExit
from contrastive_jax.models.layers import Linear
from contrastive_jax.models.outputs import FINAL
from contrastive_jax.similarity import Rows

PerImage = Float[Array, " batch"]
Seen = dict[str, Float[Array, "batch dim"]]


class Form(NamedTuple):
    """What l looks at, and how it joins the sub-network's cross-entropy."""

    combine: Callable
    projects: bool


FORMS = {"features": Form(losses.feature_form, True), "logits": Form(losses.logit_form, False)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class OneStage(OneEncoder):
    """Classifiers on all exits, and projection heads where the form has them.

    `params` are `encoder`, the classifiers `head_<exit>` and, for features, `projection_<sub-network>`. Nothing trains
    the backbone's projection: it is a frozen collection, which no weight decay reaches.
    """

    num_classes: int
    form: ClassVar[str] = "features"
    """What is compared: `features` (of projection heads) or `logits`."""
    views: ClassVar[int] = 1
    needs_labels: ClassVar[bool] = True

    @property
    def network(self) -> MultiExit:
        """Encoder and classifiers."""
        return MultiExit(self.encoder, Linear(self.num_classes))

    @property
    def seen_dim(self) -> int:
        """Length of the vectors that l compares."""
        return self.head.dim if FORMS[self.form].projects else self.num_classes

    def init(self, key, views):
        (exits, _), network = self.network.init_with_output(key, views[:, 0], True)
        network = {collection: dict(tree) for collection, tree in network.items()}
        params = network.pop("params")
        if FORMS[self.form].projects:
            for number, (name, x) in enumerate(sorted(exits.items()), start=1):
                head = dict(self.head.init(jax.random.fold_in(key, number), x, True))
                if name == FINAL:
                    head["frozen"] = head.pop("params")
                for collection, tree in head.items():
                    place = params if collection == "params" else network.setdefault(collection, {})
                    place[f"projection_{name}"] = tree
        return with_subnetworks((params, Collections(network), ()))

    def embed(self, params, collections, state, batch, key):
        """`logits` {exit: [batch, class]} and what is compared, `seen` {exit: [batch, dim]}, not normalised."""
        (exits, logits), network = self.forward(params, collections.network, batch["view"], key)
        exits, logits = ({name: z[:, 0] for name, z in found.items()} for found in (exits, logits))
        if not FORMS[self.form].projects:
            return {"logits": logits, "seen": logits}, collections._replace(network=network)
        seen = {}
        for name, x in exits.items():
            seen[name], network = self._project(f"projection_{name}", params, network, x)
        return {"logits": logits, "seen": seen}, collections._replace(network=network)

    def logits(self, params, collections, images):
        return self.outputs(params, collections, images)[1]

    def _project(self, part, params, network, x):
        """The output of one projection head, and the collections with its BatchNorm statistics, if it has any."""
        weights = params[part] if part in params else network["frozen"][part]
        known = network.get("batch_stats", {})
        own = {"batch_stats": known[part]} if part in known else {}
        w, own = apply_train(self.head, weights, own, x)
        if own:
            network = {**network, "batch_stats": {**known, part: own["batch_stats"]}}
        return w.astype(jnp.float32), network


@dataclasses.dataclass(frozen=True, kw_only=True)
class Matching(OneStage):
    """The paper's one-stage loss. Subclasses say what l is: `distill`."""

    form: str = "features"
    """What the sub-networks match: `features` (of projection heads) or `logits`."""
    beta: float = 1.0
    """Features: CE + beta l. Logits: beta CE + (1 - beta) l, where the paper takes 0.5."""

    def __post_init__(self):
        if self.form not in FORMS:
            raise InputError(f"config.method.form is '{self.form}': {nearest(self.form, FORMS)}")
        if self.form == "logits" and not 0 <= self.beta < 1:
            raise InputError(
                f"config.method.beta is {self.beta}, but on logits 1 - beta weights the loss: give one in [0, 1),"
                " such as 0.5."
            )

    def loss(self, embeddings, state, batch, step, key):
        """The loss above, from what the subclass's `distill` says of every sub-network."""
        label, logits, beta = batch["label"], embeddings["logits"], self.beta
        students = dict(embeddings["seen"])
        teacher = lax.stop_gradient(students.pop(FINAL))
        distilled, state, found = self.distill(students, teacher, state, batch, step, key)
        ce = {name: losses.cross_entropy(z, label) for name, z in logits.items()}
        combine = FORMS[self.form].combine
        subs = [mean_keep(combine(ce[name], loss, beta=beta)) for name, loss in distilled.items()]
        found |= {f"loss_{name}": mean_keep(loss) for name, loss in ce.items()}
        found |= {f"loss_distill_{name}": mean_keep(loss) for name, loss in distilled.items()}
        found |= {f"accuracy_{name}": metrics.accuracy(z, label) for name, z in logits.items()}
        return sum(subs, start=mean_keep(ce[FINAL])), state, found

    @abc.abstractmethod
    def distill(
        self, students: Seen, teacher: Float[Array, "batch dim"], state, batch, step, key
    ) -> tuple[dict[str, PerImage], Any, Metrics]:
        """l of every sub-network, `{name: [batch]}`, the new state, and further metrics.

        Args:
          students: what the sub-networks show, not normalised.
          teacher: what the backbone shows, detached.
        """


@dataclasses.dataclass(frozen=True, kw_only=True)
class SelfCon1StageSD(Matching):
    """Self-distillation: `beta CE + (1 - beta) soft^2 KL(backbone || sub-network)`; equal in Tables 7 and 10."""

    form: ClassVar[str] = "logits"
    beta: float = 0.5
    """Weight of the sub-networks' cross-entropy."""
    soft: float = 3.0
    """Temperature of the posteriors; 3 in the released code."""

    def distill(self, students, teacher, state, batch, step, key):
        distilled = {name: losses.posterior_kl(teacher, z, soft=self.soft) for name, z in students.items()}
        return distilled, state, {}


@dataclasses.dataclass(frozen=True, kw_only=True)
class SelfCon1StageBYOL(Matching):
    """BYOL's regression: sub-networks learn the direction of the backbone's output.

    The backbone of the same step takes the place of the target network; there is no predictor.
    """

    def distill(self, students, teacher, state, batch, step, key):
        distilled = {
            name: losses.norm_scaled(losses.byol(w, teacher), teacher) for name, w in students.items()
        }
        return distilled, state, {}


@dataclasses.dataclass(frozen=True, kw_only=True)
class SelfCon1StageSelfCon(Matching):
    """The SelfCon loss: each sub-network and the backbone make a SelfCon-S of two exits, the backbone's detached."""

    tau: float = 3.0
    """Temperature."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""

    def distill(self, students, teacher, state, batch, step, key):
        label, distilled = batch["label"], {}
        found = {"positives_share": share_with_positives(label, copies=2)}
        for name, w in students.items():
            pair = jnp.stack([l2_normalize(w), l2_normalize(teacher)], axis=1)
            per_image = jnp.mean(losses.selfcon_s(pair, label, tau=self.tau, impl=self.similarity), axis=1)
            distilled[name] = losses.norm_scaled(per_image, teacher)
            rows = Rows.of_views(pair, label)
            found[f"contrastive_top1_{name}"] = contrastive_top1(rows, rows)
        return distilled, state, found


@dataclasses.dataclass(frozen=True, kw_only=True)
class SelfCon1StageReleased(OneStage):
    """One-stage training as the released code has it: three weights, and the contrastive loss trains the backbone too.

    Per sub-network `alpha CE + beta KD + gamma SelfCon(sub-network, backbone)`; KD is a cross-entropy with the detached
    backbone's softened posterior, times tau^2. Unlike the paper (`SelfCon1StageSelfCon`), the backbone's features are
    not detached: only its random projection head is frozen.
    """

    alpha: float = 1.0
    """Weight of the sub-networks' cross-entropy."""
    beta: float = 0.0
    """Weight of KD."""
    gamma: float = 0.8
    """Weight of SelfCon's mean over anchors; the code multiplies tau / 0.07 in."""
    tau: float = 3.0
    """Temperature of both KD and SelfCon."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""

    def loss(self, embeddings, state, batch, step, key):
        label, logits = batch["label"], embeddings["logits"]
        seen = {name: l2_normalize(w) for name, w in embeddings["seen"].items()}
        backbone, subs = losses.cross_entropy(logits[FINAL], label), []
        found = {f"loss_{FINAL}": mean_keep(backbone)}
        for name in sorted({*logits} - {FINAL}):
            pair = jnp.stack([seen[name], seen[FINAL]], axis=1)
            selfcon = losses.selfcon_s(pair, label, tau=self.tau, impl=self.similarity)
            terms = {
                "": losses.cross_entropy(logits[name], label),
                "kd_": losses.soft_cross_entropy(logits[FINAL], logits[name], soft=self.tau),
                "selfcon_": jnp.mean(selfcon, axis=1),
            }
            found |= {f"loss_{what}{name}": mean_keep(loss) for what, loss in terms.items()}
            subs.append(list(terms.values()))
        weights = (self.alpha, self.beta, self.gamma)
        loss = mean_keep(losses.one_stage(backbone, subs, weights=weights))
        found["positives_share"] = share_with_positives(label, copies=2)
        found |= {f"accuracy_{name}": metrics.accuracy(z, label) for name, z in logits.items()}
        return loss, state, found
