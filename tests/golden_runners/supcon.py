"""Golden family `supcon`: SupConLoss of SupContrast, by labels, by an explicit mask, or by neither."""

import jax.numpy as jnp
from golden_case import Case, NotCovered, Plan

from contrastive_jax import losses
from contrastive_jax.losses import variants

BY_MODE = {
    "all": (losses.supcon, variants.supcon_masked),
    "one": (variants.supcon_one, variants.supcon_masked_one),
}


def plan(case: Case) -> Plan:
    tau = case.hyper("temperature")
    scale = tau / case.hyper("base_temperature")
    by_label, by_mask = case.one_of("contrast_mode", BY_MODE)
    case.one_of("no_positive", {"keep": None, "every anchor has a positive": None})
    kind, _, mode = case.fields["variant"].partition("/")
    if kind not in ("labels", "mask", "none") or mode not in ("", case.hyper("contrast_mode")):
        raise NotCovered(f"variant '{case.fields['variant']}'")

    def values(arrays):
        z = arrays["in_features"]
        z = z.reshape(*z.shape[:2], -1)
        if kind == "mask":
            loss = by_mask(z, arrays["in_mask"], tau=tau)
        else:
            label = arrays["in_labels"] if kind == "labels" else jnp.arange(z.shape[0])
            loss = by_label(z, label, tau=tau)
        return {"out_loss": scale * losses.mean_keep(loss)}

    return Plan(values, {"out_grad_features": ("out_loss", "in_features")})
