"""Golden family `supcon_in`: google-research's SupCon (L_in, L_out, denominators, cap), and literal sums."""

import jax.numpy as jnp
from golden_case import Case, Plan

from contrastive_jax import losses
from contrastive_jax.losses import variants

BY_PLACE_AND_DENOMINATOR = {
    ("OUTSIDE", "ALL"): variants.supcon_capped,
    ("OUTSIDE", "ONE_POSITIVE"): variants.supcon_one_positive,
    ("OUTSIDE", "ONLY_NEGATIVES"): variants.supcon_only_negatives,
    ("INSIDE", "ALL"): variants.supcon_in_capped,
    ("INSIDE", "ONE_POSITIVE"): variants.supcon_in_one_positive,
    ("INSIDE", "ONLY_NEGATIVES"): variants.supcon_in_only_negatives,
}
BY_LITERAL = {"SupCon L_in": losses.supcon_in, "SupCon L_out": losses.supcon}


def plan(case: Case) -> Plan:
    case.one_of("no_positive", {"keep": None, "every anchor has a positive": None})
    if case.has("summation_location"):
        return _tensorflow(case)
    return _literal(case)


def _tensorflow(case: Case) -> Plan:
    tau = case.hyper("temperature")
    scale = tau if case.hyper("scale_by_temperature") else 1.0
    place, denominator = case.hyper("summation_location"), case.hyper("denominator_mode")
    loss = case.known((place, denominator), BY_PLACE_AND_DENOMINATOR)

    def values(arrays):
        z = arrays["in_features"]
        z = z.reshape(*z.shape[:2], -1)
        anchors = scale * loss(z, arrays["in_labels"], tau=tau, cap=case.hyper("positives_cap"))
        return {"out_loss_per_sample": jnp.mean(anchors, axis=1), "out_loss_mean": losses.mean_keep(anchors)}

    return Plan(values, {"out_grad_features": ("out_loss_mean", "in_features")})


def _literal(case: Case) -> Plan:
    loss = case.known(case.fields["loss"].partition(" (")[0], BY_LITERAL)
    tau = case.hyper("temperature")

    def values(arrays):
        anchors = loss(arrays["in_features"], arrays["in_labels"], tau=tau)
        return {
            "out_per_anchor": anchors.T.reshape(-1),  # view-major
            "out_loss_sum": jnp.sum(anchors),
            "out_loss_mean": losses.mean_keep(anchors),
        }

    return Plan(values, {"out_grad_features_of_sum": ("out_loss_sum", "in_features")})
