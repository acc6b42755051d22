"""SelfCon (Bae et al. 2021): one network contrasted with itself through its exits.

Sub-networks leave the backbone at intermediate blocks; every exit has its own projection head. `S` has a single view,
`M` several; `U` goes without labels. SupCon-S, the control with one exit, is in `supcon`; one-stage training in
`selfcon_one_stage`.
"""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from contrastive_jax import losses
from contrastive_jax.errors import InputError
from contrastive_jax.losses import mean_keep
from contrastive_jax.methods import metrics
from contrastive_jax.methods.base import OneEncoder, Tree
from contrastive_jax.methods.memory import BankState, check_memory, remembered, share_with_memory
from contrastive_jax.models.outputs import FINAL
from contrastive_jax.similarity import Rows


@dataclasses.dataclass(frozen=True, kw_only=True)
class SelfConS(OneEncoder):
    """SelfCon-S (Eq. 3): one view; positives are all exits of all images of the class, the anchor's image included."""

    tau: float = 0.1
    """Temperature."""
    loss_scale: float = 1.0
    """Factor on the mean over anchors; it scales the learning rate. SelfCon's code has tau / 0.07."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""
    views: ClassVar[int] = 1
    needs_labels: ClassVar[bool] = True

    def loss(self, embeddings, state, batch, step, key):
        z, label = by_exit(embeddings)[:, 0], batch["label"]
        mean = mean_keep(losses.selfcon_s(z, label, tau=self.tau, impl=self.similarity))
        return self.loss_scale * mean, state, metrics.by_label("selfcon_s", mean, z, label)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SelfConM(OneEncoder):
    """SelfCon-M (Eq. 2): SupCon on the backbone, and alpha times the sub-networks' anchors, with several views.

    Backbone anchors see backbone rows only, sub-network anchors every exit; each bracket is its own mean. What the
    released code computes under this name with alpha = 0 is another loss: `SelfConMJoint`.
    """

    tau: float = 0.1
    """Temperature."""
    alpha: float = 1.0
    """Weight of the sub-networks' anchors."""
    loss_scale: float = 1.0
    """Factor on both means; it scales the learning rate. SelfCon's code has tau / 0.07."""
    views: int = 2
    """Augmented views per image."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""
    needs_labels: ClassVar[bool] = True

    def init(self, key, views):
        return with_subnetworks(super().init(key, views))

    def loss(self, embeddings, state, batch, step, key):
        z, label = by_exit(embeddings), batch["label"]
        terms = losses.selfcon_m(z, label, tau=self.tau, impl=self.similarity)
        backbone, subnetworks = mean_keep(terms.backbone), mean_keep(terms.subnetworks)
        found = metrics.by_label("backbone", backbone, z[:, :, -1], label) | {"loss_subnetworks": subnetworks}
        return self.loss_scale * (backbone + self.alpha * subnetworks), state, found


@dataclasses.dataclass(frozen=True, kw_only=True)
class SelfConMU(OneEncoder):
    """SelfCon-MU (Eq. 6): SelfCon-M without labels; positives are all views and exits of the same image.

    What the released code computes under this name with alpha = 0 is another loss: `SelfConMUJoint`.
    """

    tau: float = 0.5
    """Temperature."""
    alpha: float = 1.0
    """Weight of the sub-networks' anchors."""
    loss_scale: float = 1.0
    """Factor on both means; it scales the learning rate. SelfCon's code has tau / 0.07."""
    views: int = 2
    """Augmented views per image."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""

    def init(self, key, views):
        return with_subnetworks(super().init(key, views))

    def loss(self, embeddings, state, batch, step, key):
        z = by_exit(embeddings)
        terms = losses.selfcon_mu(z, tau=self.tau, impl=self.similarity)
        backbone, subnetworks = mean_keep(terms.backbone), mean_keep(terms.subnetworks)
        found = metrics.by_instance("backbone", backbone, z[:, :, -1]) | {"loss_subnetworks": subnetworks}
        return self.loss_scale * (backbone + self.alpha * subnetworks), state, found


@dataclasses.dataclass(frozen=True, kw_only=True)
class SelfConSU(OneEncoder):
    """SelfCon-SU (App. G): one view and no labels; the only positives are the image's other exits.

    The authors found that it does not converge to anything useful, because exits agree too easily.
    """

    tau: float = 0.5
    """Temperature."""
    loss_scale: float = 1.0
    """Factor on the mean over anchors; it scales the learning rate. SelfCon's code has tau / 0.07."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""
    views: ClassVar[int] = 1

    def init(self, key, views):
        return with_subnetworks(super().init(key, views))

    def loss(self, embeddings, state, batch, step, key):
        z = by_exit(embeddings)[:, 0]
        mean = mean_keep(losses.selfcon_su(z, tau=self.tau, impl=self.similarity))
        return self.loss_scale * mean, state, metrics.by_instance("selfcon_su", mean, z)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SelfConMJoint(OneEncoder):
    """What the released code calls SelfCon-M (its alpha = 0): every exit of every view against everything.

    Not Eq. 2: there is no separate SupCon term, and the backbone's anchors are contrasted with the sub-networks too.
    Positives are all rows of the class.
    """

    tau: float = 0.1
    """Temperature."""
    loss_scale: float = 1.0
    """Factor on the mean over anchors; it scales the learning rate. SelfCon's code has tau / 0.07."""
    views: int = 2
    """Augmented views per image."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""
    needs_labels: ClassVar[bool] = True

    def init(self, key, views):
        return with_subnetworks(super().init(key, views))

    def loss(self, embeddings, state, batch, step, key):
        z, label = by_exit(embeddings), batch["label"]
        mean = mean_keep(losses.selfcon_m_joint(z, label, tau=self.tau, impl=self.similarity))
        rows = z.reshape(z.shape[0], -1, z.shape[-1])
        return self.loss_scale * mean, state, metrics.by_label("selfcon_m_joint", mean, rows, label)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SelfConMUJoint(OneEncoder):
    """What the released code calls SelfCon-MU (its alpha = 0): every augmented view is an instance of its own.

    Not Eq. 6: positives are the same view's other exits alone, and the other view of the same image is a negative.
    """

    tau: float = 0.5
    """Temperature."""
    loss_scale: float = 1.0
    """Factor on the mean over anchors; it scales the learning rate. SelfCon's code has tau / 0.07."""
    views: int = 2
    """Augmented views per image."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""

    def init(self, key, views):
        return with_subnetworks(super().init(key, views))

    def loss(self, embeddings, state, batch, step, key):
        z = by_exit(embeddings)
        mean = mean_keep(losses.selfcon_mu_joint(z, tau=self.tau, impl=self.similarity))
        found = metrics.by_instance("selfcon_mu_joint", mean, z.reshape(-1, *z.shape[2:]))
        return self.loss_scale * mean, state, found


@dataclasses.dataclass(frozen=True, kw_only=True)
class SelfConSBank(OneEncoder):
    """SelfCon-S against the batch and a memory bank of earlier outputs of all exits (Sec. 4.2, Table 5).

    Every exit of an image is a row of the bank, which is used, then updated. It starts with random directions without
    a label, which are negatives until they are overwritten.
    """

    batch_size: int
    tau: float = 0.1
    """Temperature."""
    loss_scale: float = 1.0
    """Factor on the mean over anchors; it scales the learning rate. SelfCon's code has tau / 0.07."""
    bank_size: int = 1024
    """Rows remembered."""
    similarity: str = "auto"
    """Implementation of the similarity engine."""
    views: ClassVar[int] = 1
    needs_labels: ClassVar[bool] = True

    def init(self, key, views):
        params, collections, _ = with_subnetworks(super().init(key, views))
        check_memory("bank_size", self.bank_size, self.batch_size * (1 + len(subnetworks(params))))
        bank = losses.new_queue(jax.random.fold_in(key, 1), self.bank_size, self.head.dim)
        return params, collections, BankState(bank)

    def loss(self, embeddings, state, batch, step, key):
        z, label, bank = by_exit(embeddings)[:, 0], batch["label"], state.bank
        mean = mean_keep(
            losses.selfcon_s_bank(z, label, bank.z, bank.label, tau=self.tau, impl=self.similarity)
        )
        rows = Rows.of_views(z, label)
        found = metrics.contrastive("selfcon_s_bank", mean, rows, rows.joined(remembered(bank)))
        found["positives_share"] = share_with_memory(label, bank, views=z.shape[1])
        return self.loss_scale * mean, BankState(losses.push(bank, rows.z, rows.group)), found


def by_exit(
    embeddings: dict[str, Float[Array, "sample view dim"]],
) -> Float[Array, "sample view exit dim"]:
    """The exits as one array, the backbone last regardless of the order in the dict."""
    return jnp.stack([embeddings[name] for name in (*sorted({*embeddings} - {FINAL}), FINAL)], axis=2)


def subnetworks(params: Tree) -> list[str]:
    """The exits that have a head, without the backbone's."""
    names = (name.removeprefix("head_") for name in params if name.startswith("head_"))
    return [name for name in names if name != FINAL]


def with_subnetworks(made: tuple) -> tuple:
    """Returns `made` unchanged; raises InputError if the network has no exit but its last."""
    if not subnetworks(made[0]):
        raise InputError(
            "the network has no sub-network, and this method contrasts one with the backbone: set"
            " config.network.subnetworks, to ('block2',) for instance."
        )
    return made
