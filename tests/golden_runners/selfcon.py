"""Golden family `selfcon`: the released code's losses (alpha = 0: joint) and the paper's (alpha > 0)."""

import jax.numpy as jnp
from golden_case import Case, NotCovered, Plan

from contrastive_jax import losses
from contrastive_jax.losses import variants

POLICIES = {
    "keep": lambda loss, label: losses.mean_keep(loss),
    "drop": lambda loss, label: losses.mean_drop(loss, losses.has_positive(label)),
    "every anchor has a positive": lambda loss, label: losses.mean_keep(loss),
}


def plan(case: Case) -> Plan:
    tau = case.hyper("temperature")
    scale = tau / case.hyper("base_temperature")
    if "in_features" in case.arrays:
        return _one(case, tau, scale)
    loss = _loss(case, tau)
    exits = [*case.indexed("in_sub"), "in_backbone"]

    def values(arrays):
        stacked = jnp.stack([arrays[name] for name in exits], axis=1)
        label = arrays["in_labels"] if case.hyper("use_labels") else None
        # View-major rows [view * sample, exit, dim] to [sample, view, exit, dim].
        by_view = stacked.reshape(-1, case.hyper("batch"), *stacked.shape[1:]).swapaxes(0, 1)
        return {"out_loss": scale * loss(by_view, label)}

    return Plan(values, {f"out_grad_{name[3:]}": ("out_loss", name) for name in exits})


def _one(case: Case, tau: float, scale: float) -> Plan:
    """ConLoss itself with contrast mode 'one': anchors are the first exit or view."""
    if case.fields["variant"] != "one":
        raise NotCovered(f"variant '{case.fields['variant']}'")

    def values(arrays):
        loss = variants.supcon_one(arrays["in_features"], arrays["in_labels"], tau=tau)
        return {"out_loss": scale * losses.mean_keep(loss)}

    return Plan(values, {"out_grad_features": ("out_loss", "in_features")})


def _loss(case: Case, tau: float):
    """The function from exits [sample, view, exit, dim] and labels (or None) to the reduced loss."""
    mean, alpha = losses.mean_keep, case.hyper("alpha")
    mean_s = case.one_of("no_positive", POLICIES)
    by_variant = {
        "SelfCon-S": lambda z, y: mean(losses.selfcon_s(z[:, 0], y, tau=tau)),
        "SelfCon-SU": lambda z, y: mean(losses.selfcon_su(z[:, 0], tau=tau)),
        "SelfCon-M": lambda z, y: mean(losses.selfcon_m_joint(z, y, tau=tau)),
        "SelfCon-MU": lambda z, y: mean(losses.selfcon_mu_joint(z, tau=tau)),
        "SelfCon-M*": lambda z, y: mean(losses.selfcon_m(z, y, tau=tau).weighted(alpha)),
        "SelfCon-MU*": lambda z, y: mean(losses.selfcon_mu(z, tau=tau).weighted(alpha)),
        "SelfCon-S*": lambda z, y: mean(variants.selfcon_s_star(z[:, 0], y, tau=tau, alpha=alpha)),
        "SelfCon-SU*": lambda z, y: mean(variants.selfcon_su_star(z[:, 0], tau=tau, alpha=alpha)),
        "SupCon": lambda z, y: mean(losses.supcon(z[:, :, 0], y, tau=tau)),
        "SupCon-S": lambda z, y: mean_s(losses.supcon(z[:, :, 0], y, tau=tau), y),
        "SimCLR": lambda z, y: mean(losses.nt_xent(z[:, :, 0], tau=tau)),
    }
    return case.one_of("variant", by_variant)
