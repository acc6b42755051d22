"""Golden family `sdssl`: the layer loss against a teacher, BYOL's regression, the totals (Eqs. 6, 8)."""

import jax
import jax.numpy as jnp
from golden_case import Case, NotCovered, Plan
from jax import lax, nn

from contrastive_jax import losses
from contrastive_jax.losses import variants


def plan(case: Case) -> Plan:
    inputs = set(case.arrays)
    if case.fields["variant"] == "moco v3" and "in_q_unnormalised" in inputs:
        return _layers(case)
    if case.fields["variant"] == "byol" and "in_q_unnormalised" in inputs:
        return _regression(case)
    if case.fields["variant"] == "simclr" and "in_projections_unnormalised" in inputs:
        return _simclr(case)
    if case.fields["variant"] in ("moco", "byol") and "in_student_proj_view1" in inputs:
        return _teacher(case)
    raise NotCovered(f"variant '{case.fields['variant']}' with these arrays")


def by_sample(rows, layers: int):
    """Layer-major rows [layer * sample, dim] to [sample, layer, dim]."""
    return rows.reshape(layers, -1, rows.shape[-1]).swapaxes(0, 1)


def by_view(rows, layers: int):
    """Rows [layer, view, sample] flattened, to [sample, view, layer, dim]; two views."""
    return rows.reshape(layers, 2, -1, rows.shape[-1]).transpose(2, 1, 0, 3)


def _layers(case: Case) -> Plan:
    tau, layers = case.hyper("tau"), case.hyper("num_layers")

    def values(arrays):
        q, z = (losses.l2_normalize(arrays[f"in_{name}_unnormalised"]) for name in "qz")
        loss = variants.layers_to_keys(by_sample(q, layers), z, tau=tau)
        return {"out_loss": 2 * tau * losses.mean_keep(loss)}

    gradients = {"out_grad_q": "in_q_unnormalised", "out_grad_z_if_not_stopped": "in_z_unnormalised"}
    return Plan(values, {name: ("out_loss", of) for name, of in gradients.items()})


def _regression(case: Case) -> Plan:
    def values(arrays):
        loss = losses.byol(arrays["in_q_unnormalised"], arrays["in_z_unnormalised"])
        return {"out_loss_per_row": loss, "out_loss_mean": losses.mean_keep(loss)}

    return Plan(values, {"out_grad_q_of_mean": ("out_loss_mean", "in_q_unnormalised")})


def _simclr(case: Case) -> Plan:
    tau, alpha, layers = case.hyper("tau"), case.hyper("alpha"), case.hyper("num_layers")

    def values(arrays):
        z = by_view(losses.l2_normalize(arrays["in_projections_unnormalised"]), layers)
        terms = losses.sd_simclr(z, tau=tau)
        return {
            "out_loss": losses.mean_keep(terms.weighted(alpha)),
            "out_loss_out": losses.mean_keep(terms.weighted(0.0)),
            "out_loss_isd": losses.mean_keep(terms.isd),
        }

    return Plan(values, {"out_grad_projections": ("out_loss", "in_projections_unnormalised")})


def _teacher(case: Case) -> Plan:
    """SD-MoCo v3 and SD-BYOL: projections come in, the predictors' weights too."""
    directions = (("view1", "view2"), ("view2", "view1"))

    def values(arrays):
        per_sample = [_direction(case, arrays, student, teacher) for student, teacher in directions]
        return {"out_loss": sum(map(losses.mean_keep, per_sample))}

    smooth = [name for name in case.arrays if name.startswith(("in_student", "in_pred"))]
    return Plan(values, {f"out_grad_{name[3:]}": ("out_loss", name) for name in smooth})


def _direction(case: Case, arrays, student: str, teacher: str):
    alpha, layers = case.hyper("alpha"), case.hyper("num_layers")
    h = by_sample(arrays[f"in_student_proj_{student}"], layers)
    z = arrays[f"in_teacher_proj_{teacher}"]
    layer_loss = _layer_loss(case, _predict(case, arrays, h), z)
    prediction_loss = _layer_loss(case, _predict(case, arrays, lax.stop_gradient(h)), z)
    if case.fields["variant"] == "byol" and alpha == 0:
        return variants.sd_byol_first_step(layer_loss, prediction_loss, beta=case.hyper("beta"))
    terms = losses.SDTerms.of_layers(layer_loss, prediction_loss)
    return terms.weighted(alpha=alpha, beta=case.hyper("beta"))


def _layer_loss(case: Case, q, z):
    if case.fields["variant"] == "byol":
        return losses.layers_byol(q, z)
    tau = case.hyper("tau")
    return 2 * tau * losses.layers_contrastive(losses.l2_normalize(q), losses.l2_normalize(z), tau=tau)


def _predict(case: Case, arrays, h):
    """The predictors of the case, one per layer, batch statistics: Linear-BN-ReLU-Linear, and a BN at the end
    where the case says so. Weights in torch layout (out, in)."""
    closing = case.hyper("predictor").endswith("-BN(no affine)")
    parts = ("0_weight", "1_weight", "1_bias", "3_weight")
    weights = [
        jnp.stack([arrays[f"in_pred{layer}_net_{part}"] for layer in range(h.shape[1])]) for part in parts
    ]

    def predict(x, first, scale, shift, second):
        hidden = nn.relu(_standardized(x @ first.T) * scale[None] + shift[None])
        return _standardized(hidden @ second.T) if closing else hidden @ second.T

    return jax.vmap(predict, in_axes=(1, 0, 0, 0, 0), out_axes=1)(h, *weights)


def _standardized(x):
    return (x - jnp.mean(x, axis=0)[None]) * lax.rsqrt(jnp.var(x, axis=0) + 1e-5)[None]
