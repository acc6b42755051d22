"""Golden family `intriguing`: NT-Xent, its decoupled form, SWD with three priors, N x N cross-view only."""

import jax.numpy as jnp
from golden_case import Case, NotCovered, Plan

from contrastive_jax import losses
from contrastive_jax.losses import variants


def plan(case: Case) -> Plan:
    runners = {"NT-Xent": _nt_xent, "N x N cross-view only": _cross_view}
    if case.fields["variant"] in runners:
        return runners[case.fields["variant"]](case)
    if case.has("dist"):
        return _generalized(case)
    raise NotCovered(f"variant '{case.fields['variant']}'")


def _nt_xent(case: Case) -> Plan:
    tau, normalize = case.hyper("temperature"), _normalizer(case)

    def values(arrays):
        z = arrays["in_hidden"].reshape(2, -1, arrays["in_hidden"].shape[-1]).swapaxes(0, 1)
        # Both directions are added: twice the mean over anchors.
        return {"out_loss": 2 * losses.mean_keep(losses.nt_xent(normalize(z), tau=tau))}

    return Plan(values, {"out_grad_hidden": ("out_loss", "in_hidden")})


def _cross_view(case: Case) -> Plan:
    def values(arrays):
        z = jnp.stack([arrays["in_z1"], arrays["in_z2"]], axis=1)
        loss = variants.cross_view(losses.l2_normalize(z), tau=case.hyper("temperature"))
        return {"out_loss": 2 * losses.mean_keep(loss)}

    return Plan(values, {f"out_grad_z{i}": ("out_loss", f"in_z{i}") for i in (1, 2)})


def _generalized(case: Case) -> Plan:
    dist, lam, scale = case.hyper("dist"), case.hyper("lambda_weight"), case.hyper("loss_scaling")
    normalize = _normalizer(case)
    if dist not in ("logsumexp", "normal", "uniform"):
        raise NotCovered(f"dist '{dist}'")

    def values(arrays):
        z = normalize(jnp.stack([arrays["in_hidden1"], arrays["in_hidden2"]], axis=1))
        if dist == "logsumexp":
            terms = losses.decoupled_nt_xent(z, tau=case.hyper("temperature"))
        else:
            # The prior is normalised with the embeddings: a normal one becomes the hypersphere's.
            terms = losses.generalized_swd(z, normalize(arrays["in_prior_raw"]), arrays["in_rand_w"])
        return {"out_loss": scale * losses.mean_keep(terms.weighted(lam))}

    return Plan(values, {f"out_grad_hidden{i}": ("out_loss", f"in_hidden{i}") for i in (1, 2)})


def _normalizer(case: Case):
    return losses.l2_normalize if case.hyper("hidden_norm") else lambda z: z
