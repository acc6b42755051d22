"""Golden family `selfcon_1stage`: classifier, distillation and SelfCon losses trained together."""

import jax.numpy as jnp
from golden_case import Case, NotCovered, Plan

from contrastive_jax import losses


def plan(case: Case) -> Plan:
    runners = {"kd": _one_stage, "subnet_ce": _one_stage, "selfcon": _one_stage, "KLLoss": _posterior}
    return case.one_of("variant", runners)(case)


def _posterior(case: Case) -> Plan:
    def values(arrays):
        teacher, student = arrays["in_logits_teacher"], arrays["in_logits_student"]
        loss = losses.soft_cross_entropy(teacher, student, soft=case.hyper("temperature"))
        return {"out_loss": losses.mean_keep(loss)}

    return Plan(values, {"out_grad_logits_student": ("out_loss", "in_logits_student")})


def _one_stage(case: Case) -> Plan:
    soft, weights = case.hyper("temperature"), [case.hyper(name) for name in ("alpha", "beta", "gamma")]
    scale = soft / case.hyper("base_temperature")
    subs = range(case.hyper("num_subnetworks"))
    if weights[2] and "in_feat_backbone" not in case.arrays:
        raise NotCovered("gamma without features")

    def contrast(arrays, sub):
        pair = jnp.stack([arrays[f"in_feat_sub{sub}"], arrays["in_feat_backbone"]], axis=1)
        return scale * jnp.mean(losses.selfcon_s(pair, arrays["in_labels"], tau=soft), axis=1)

    def values(arrays):
        label, backbone = arrays["in_labels"], arrays["in_logits_backbone"]

        def of_sub(sub):
            logits = arrays[f"in_logits_sub{sub}"]
            plain = (
                losses.cross_entropy(logits, label),
                losses.soft_cross_entropy(backbone, logits, soft=soft),
            )
            return (*plain, contrast(arrays, sub) if weights[2] else jnp.zeros_like(plain[0]))

        loss = losses.one_stage(
            losses.cross_entropy(backbone, label), [of_sub(i) for i in subs], weights=weights
        )
        return {"out_loss": losses.mean_keep(loss)}

    smooth = [name for name in case.arrays if name.startswith(("in_logits", "in_feat"))]
    return Plan(values, {f"out_grad_{name[3:]}": ("out_loss", name) for name in smooth})
