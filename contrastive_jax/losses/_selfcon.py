"""Self-contrastive losses over the exits of one network: Bae et al., 2021, "Self-Contrastive Learning".

Exits are stacked in depth order, the backbone last. An anchor is one exit of one view of one sample; its contrasts
are all other such rows. The paper's sums (Eqs. 2, 3, 6) drop the 1/|P|; it is kept here, as in the released code, and
averaging over anchors is left to the caller.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from contrastive_jax.errors import InputError
from contrastive_jax.losses._checks import checked
from contrastive_jax.losses._generalized import nt_xent
from contrastive_jax.losses._supcon import supcon, supcon_bank
from contrastive_jax.similarity import Rows, Scalar, l_out


class SelfConTerms(NamedTuple):
    """The two brackets of SelfCon's Eqs. 2 and 6, per anchor."""

    backbone: Float[Array, "sample view"]
    """Backbone anchors among the backbone's rows."""
    subnetworks: Float[Array, "sample view subnetwork"]
    """Sub-networks' anchors among the rows of all exits."""

    def weighted(self, alpha: Scalar) -> Float[Array, "sample view"]:
        """`backbone + alpha * mean over sub-networks`: its mean is the sum of both brackets' means."""
        return self.backbone + alpha * jnp.mean(self.subnetworks, axis=-1)


@checked("exits")
def selfcon_s(
    exits: Float[Array, "sample exit dim"],
    label: Int[Array, " sample"],
    *,
    tau: Scalar,
    impl: str = "auto",
) -> Float[Array, "sample exit"]:
    """SelfCon-S (Eq. 3): one view, contrasted with itself through the network's exits.

    `-(1/|P|) sum_{p in P} log( e^{z.z_p/tau} / sum_a e^{z.z_a/tau} )`

    Every exit is an anchor; every other row of its class, the sample's other exits included, is a positive. With one
    exit it is SupCon-S.

    Args:
      exits: unit-length outputs of all exits, the backbone last.
      label: class of each sample.
      tau: temperature.
      impl: as in `supcon`.

    Returns:
      The loss of each anchor.

    Example:
      >>> exits = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 3, 8)))
      >>> losses.selfcon_s(exits, jnp.array([0, 0, 1, 1]), tau=0.1).shape
      (4, 3)
    """
    rows = Rows.of_views(exits, label)
    return l_out(rows, rows, tau=tau, impl=impl).reshape(exits.shape[:2])


@checked("exits")
def selfcon_su(
    exits: Float[Array, "sample exit dim"], *, tau: Scalar, impl: str = "auto"
) -> Float[Array, "sample exit"]:
    """SelfCon-SU (App. G, text): `selfcon_s` without labels; only the sample's other exits are positives.

    Args:
      exits: unit-length outputs of all exits, the backbone last.
      tau: temperature.
      impl: as in `supcon`.

    Returns:
      The loss of each anchor.

    Example:
      >>> exits = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 3, 8)))
      >>> labelled = losses.selfcon_s(exits, jnp.arange(4), tau=0.1)
      >>> bool(jnp.allclose(losses.selfcon_su(exits, tau=0.1), labelled))
      True
    """
    return selfcon_s(exits, jnp.arange(exits.shape[0]), tau=tau, impl=impl)


@checked("exits")
def selfcon_m(
    exits: Float[Array, "sample view exit dim"],
    label: Int[Array, " sample"],
    *,
    tau: Scalar,
    impl: str = "auto",
) -> SelfConTerms:
    """SelfCon-M (Eq. 2): SupCon on the backbone, and the sub-networks' anchors.

    Backbone anchors see backbone rows only; sub-networks' anchors see every exit. Each bracket has its own mean.

    Args:
      exits: unit-length outputs of all exits, the backbone last; at least one sub-network.
      label: class of each sample.
      tau: temperature.
      impl: as in `supcon`.

    Returns:
      Both brackets per anchor; `.weighted(alpha)` adds them.

    Example:
      >>> exits = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 2, 3, 8)))
      >>> terms = losses.selfcon_m(exits, jnp.array([0, 0, 1, 1]), tau=0.1)
      >>> terms.backbone.shape, terms.subnetworks.shape, terms.weighted(1.0).shape
      ((4, 2), (4, 2, 2), (4, 2))
    """
    backbone = supcon(exits[:, :, -1], label, tau=tau, impl=impl)
    return SelfConTerms(backbone, subnetwork_anchors(exits, label, tau=tau, impl=impl))


@checked("exits")
def selfcon_mu(
    exits: Float[Array, "sample view exit dim"], *, tau: Scalar, impl: str = "auto"
) -> SelfConTerms:
    """SelfCon-MU (Eq. 6): `selfcon_m` without labels; positives are all views and exits of the same image.

    Args:
      exits: unit-length outputs of all exits, the backbone last; at least one sub-network.
      tau: temperature.
      impl: as in `supcon`.

    Returns:
      Both brackets per anchor; `.weighted(alpha)` adds them.

    Example:
      >>> exits = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 2, 3, 8)))
      >>> backbone = losses.nt_xent(exits[:, :, -1], tau=0.1)
      >>> bool(jnp.all(losses.selfcon_mu(exits, tau=0.1).weighted(0.0) == backbone))
      True
    """
    instance = jnp.arange(exits.shape[0])
    backbone = nt_xent(exits[:, :, -1], tau=tau, impl=impl)
    return SelfConTerms(backbone, subnetwork_anchors(exits, instance, tau=tau, impl=impl))


@checked("exits")
def selfcon_m_joint(
    exits: Float[Array, "sample view exit dim"],
    label: Int[Array, " sample"],
    *,
    tau: Scalar,
    impl: str = "auto",
) -> Float[Array, "sample view exit"]:
    """What the released code calls SelfCon-M (alpha = 0): every exit of every view against everything.

    It is not Eq. 2: there is no separate SupCon term, and backbone anchors see the sub-networks too.

    Args:
      exits: unit-length outputs of all exits, the backbone last.
      label: class of each sample.
      tau: temperature.
      impl: as in `supcon`.

    Returns:
      The loss of each anchor.

    Example:
      >>> exits = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 2, 3, 8)))
      >>> losses.selfcon_m_joint(exits, jnp.array([0, 0, 1, 1]), tau=0.1).shape
      (4, 2, 3)
    """
    samples, views, n_exits, dim = exits.shape
    flat = exits.reshape(samples, views * n_exits, dim)
    return selfcon_s(flat, label, tau=tau, impl=impl).reshape(samples, views, n_exits)


@checked("exits")
def selfcon_mu_joint(
    exits: Float[Array, "sample view exit dim"], *, tau: Scalar, impl: str = "auto"
) -> Float[Array, "sample view exit"]:
    """What the released code calls SelfCon-MU (alpha = 0): every augmented view is its own instance.

    It is not Eq. 6: the other view of the same image is a negative.

    Args:
      exits: unit-length outputs of all exits, the backbone last.
      tau: temperature.
      impl: as in `supcon`.

    Returns:
      The loss of each anchor.

    Example:
      >>> exits = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 2, 3, 8)))
      >>> losses.selfcon_mu_joint(exits, tau=0.1).shape
      (4, 2, 3)
    """
    samples, views, n_exits, dim = exits.shape
    flat = exits.reshape(samples * views, n_exits, dim)
    return selfcon_su(flat, tau=tau, impl=impl).reshape(samples, views, n_exits)


@checked("exits")
def selfcon_s_bank(
    exits: Float[Array, "sample exit dim"],
    label: Int[Array, " sample"],
    bank: Float[Array, "slot dim"],
    bank_label: Int[Array, " slot"],
    *,
    tau: Scalar,
    impl: str = "auto",
) -> Float[Array, "sample exit"]:
    """SelfCon-S whose contrasts include a memory bank of earlier outputs of all exits (Table 5).

    Args:
      exits: unit-length outputs of all exits, the backbone last.
      label: class of each sample.
      bank: stored outputs, the `z` of a `Queue`; never anchors, no gradient.
      bank_label: class of each entry, or -1 for an entry that is always a negative.
      tau: temperature.
      impl: as in `supcon`.

    Returns:
      The loss of each anchor.

    Example:
      >>> exits = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 3, 8)))
      >>> queue = losses.new_queue(jax.random.key(1), slots=16, dim=8)
      >>> losses.selfcon_s_bank(exits, jnp.array([0, 0, 1, 1]), queue.z, queue.label, tau=0.1).shape
      (4, 3)
    """
    return supcon_bank(exits, label, bank, bank_label, tau=tau, impl=impl)


def subnetwork_anchors(
    exits: Float[Array, "sample view exit dim"],
    group: Int[Array, " sample"],
    *,
    tau: Scalar,
    impl: str = "auto",
) -> Float[Array, "sample view subnetwork"]:
    """The second bracket of Eqs. 2 and 6: anchors are the sub-networks' rows, contrasts all exits' rows."""
    samples, views, n_exits, dim = exits.shape
    if n_exits < 2:
        raise InputError(
            f"exits has shape {exits.shape}, a backbone alone: stack the outputs of at least one sub-network before it."
        )
    flat = exits.reshape(samples, views * n_exits, dim)
    everything = Rows.of_views(flat, group)
    is_sub = np.arange(views * n_exits).reshape(views, n_exits)[:, :-1].reshape(-1)
    anchors = Rows.of_views(flat, group, is_sub)
    return l_out(anchors, everything, tau=tau, impl=impl).reshape(samples, views, n_exits - 1)
