"""Self-contrastive losses over the exits of one network: Bae et al., 2021, "Self-Contrastive Learning".

Exits are stacked in depth order, the backbone last, each L2-normalised by the caller. An anchor is one exit
of one view of one sample; its contrasts are all other such rows. The paper's plain sums (Eqs. 2, 3, 6)
drop the 1/|P|; here it is kept, as in the released code, and the mean over anchors is the reduction.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from contrastive_jax.losses.generalized import nt_xent
from contrastive_jax.losses.reduce import has_positive
from contrastive_jax.losses.supcon import supcon, supcon_bank
from contrastive_jax.similarity import Rows, Scalar, l_out


def selfcon_s(
    exits: Float[Array, "sample exit dim"],
    label: Int[Array, " sample"],
    *,
    tau: Scalar,
    impl: str = "auto",
) -> Float[Array, "sample exit"]:
    """SelfCon-S (Eq. 3): one view; every exit is an anchor, every row of its class (own exits too) positive.

    With one exit it is SupCon-S.
    """
    rows = Rows.of_views(exits, label)
    return l_out(rows, rows, tau=tau, impl=impl).reshape(exits.shape[:2])


def selfcon_su(
    exits: Float[Array, "sample exit dim"],
    *,
    tau: Scalar,
    impl: str = "auto",
) -> Float[Array, "sample exit"]:
    """SelfCon-SU (App. G, text): as -S without labels; the only positives are the sample's other exits."""
    return selfcon_s(exits, jnp.arange(exits.shape[0]), tau=tau, impl=impl)


def selfcon_m(
    exits: Float[Array, "sample view exit dim"],
    label: Int[Array, " sample"],
    *,
    tau: Scalar,
    alpha: Scalar = 1.0,
    impl: str = "auto",
) -> Float[Array, "sample view"]:
    """SelfCon-M (Eq. 2): SupCon on the backbone plus alpha times the sub-network anchors.

    Backbone anchors see backbone rows only; sub-network anchors see every exit. Each bracket is its own mean:
    the value of a view is its backbone term plus alpha times the mean over its sub-networks.
    """
    backbone = supcon(exits[:, :, -1], label, tau=tau, impl=impl)
    return backbone + alpha * jnp.mean(sub_anchors(exits, label, tau=tau, impl=impl), axis=-1)


def selfcon_mu(
    exits: Float[Array, "sample view exit dim"],
    *,
    tau: Scalar,
    alpha: Scalar = 1.0,
    impl: str = "auto",
) -> Float[Array, "sample view"]:
    """SelfCon-MU (Eq. 6): as -M without labels; positives are all views and exits of the own image."""
    instance = jnp.arange(exits.shape[0])
    backbone = nt_xent(exits[:, :, -1], tau=tau, impl=impl)
    return backbone + alpha * jnp.mean(sub_anchors(exits, instance, tau=tau, impl=impl), axis=-1)


def sub_anchors(
    exits: Float[Array, "sample view exit dim"],
    group: Int[Array, " sample"],
    *,
    tau: Scalar,
    impl: str = "auto",
) -> Float[Array, "sample view subnetwork"]:
    """The second bracket of Eqs. 2 and 6: anchors are the sub-networks' rows, contrasts all exits' rows."""
    samples, views, n_exits, dim = exits.shape
    flat = exits.reshape(samples, views * n_exits, dim)
    everything = Rows.of_views(flat, group)
    is_sub = np.arange(views * n_exits).reshape(views, n_exits)[:, :-1].reshape(-1)
    anchors = Rows.of_views(flat, group, is_sub)
    return l_out(anchors, everything, tau=tau, impl=impl).reshape(samples, views, n_exits - 1)


def selfcon_m_joint(
    exits: Float[Array, "sample view exit dim"],
    label: Int[Array, " sample"],
    *,
    tau: Scalar,
    impl: str = "auto",
) -> Float[Array, "sample view exit"]:
    """What the released code calls SelfCon-M (alpha = 0): every exit of every view against everything.

    Not Eq. 2: there is no separate SupCon term, and backbone anchors see the sub-networks too.
    """
    samples, views, n_exits, dim = exits.shape
    flat = exits.reshape(samples, views * n_exits, dim)
    return selfcon_s(flat, label, tau=tau, impl=impl).reshape(samples, views, n_exits)


def selfcon_mu_joint(
    exits: Float[Array, "sample view exit dim"],
    *,
    tau: Scalar,
    impl: str = "auto",
) -> Float[Array, "sample view exit"]:
    """What the released code calls SelfCon-MU (alpha = 0): each augmented view is an instance of its own.

    Not Eq. 6: the other view of the same image is a negative.
    """
    samples, views, n_exits, dim = exits.shape
    flat = exits.reshape(samples * views, n_exits, dim)
    return selfcon_su(flat, tau=tau, impl=impl).reshape(samples, views, n_exits)


def selfcon_s_star(
    exits: Float[Array, "sample exit dim"],
    label: Int[Array, " sample"],
    *,
    tau: Scalar,
    alpha: Scalar = 1.0,
    impl: str = "auto",
) -> Float[Array, " sample"]:
    """What the released code computes for one view and alpha > 0: Eq. 2 with SupCon-S as its first bracket.

    Backbone anchors without positives leave the first bracket's mean: the others are weighted up, so that
    the plain mean of what is returned is the sum of both brackets' means.
    """
    backbone = supcon(exits[:, -1:], label, tau=tau, impl=impl)[:, 0]
    has = has_positive(label)
    weight = has * (has.shape[0] / jnp.maximum(jnp.sum(has), 1))
    return backbone * weight + alpha * _mean_of_subs(exits, label, tau, impl)


def selfcon_su_star(
    exits: Float[Array, "sample exit dim"],
    *,
    tau: Scalar,
    alpha: Scalar = 1.0,
    impl: str = "auto",
) -> Float[Array, " sample"]:
    """The unlabelled single-view form with alpha > 0 of the released code: the sub-network bracket alone."""
    return alpha * _mean_of_subs(exits, jnp.arange(exits.shape[0]), tau, impl)


def _mean_of_subs(exits, group, tau, impl):
    return jnp.mean(sub_anchors(exits[:, None], group, tau=tau, impl=impl), axis=(1, 2))


def selfcon_s_bank(
    exits: Float[Array, "sample exit dim"],
    label: Int[Array, " sample"],
    bank: Float[Array, "slot dim"],
    bank_label: Int[Array, " slot"],
    *,
    tau: Scalar,
    impl: str = "auto",
) -> Float[Array, "sample exit"]:
    """SelfCon-S whose contrasts also are a memory bank of earlier outputs of all exits (Table 5)."""
    return supcon_bank(exits, label, bank, bank_label, tau=tau, impl=impl)
