"""Every weight multiplies its own term and `loss_scale` the whole, seen in the terms that are logged."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import BATCH, METHODS, Plain, trial

from contrastive_jax import losses
from contrastive_jax.methods.mcl_memory import MCLBankState, slots_by_class

KEY = jax.random.key(3)
STEP, TOTAL = 4, 20
"""Not step 0, where SDSSL's alpha is 0 and CRD takes its constant."""
BATCH_OF = {"label": jnp.arange(BATCH) % 4, "index": 3 * jnp.arange(BATCH)}


def random_like(shapes, seed):
    """Unit vectors along the last axis, random numbers where there is no axis, and zeros for integers."""
    leaves, structure = jax.tree.flatten(shapes)
    found = []
    for key, leaf in zip(jax.random.split(jax.random.key(seed), len(leaves)), leaves):
        z = (
            jax.random.normal(key, leaf.shape)
            if leaf.dtype == np.float32
            else jnp.zeros(leaf.shape, leaf.dtype)
        )
        unit = leaf.dtype == np.float32 and leaf.ndim > 1
        found.append(z / jnp.linalg.norm(z, axis=-1, keepdims=True) if unit else z)
    return structure.unflatten(found)


@functools.cache
def inputs(name):
    """A method on a small encoder with random embeddings and state of the right shapes."""
    method = trial(name).method
    fields = (
        {"encoder": Plain(), "total_steps": TOTAL} if hasattr(method, "total_steps") else {"encoder": Plain()}
    )
    method = dataclasses.replace(method, **fields)
    batch = BATCH_OF | {"view": jnp.zeros((BATCH, method.views, 8, 8, 1))}

    def embed(key, batch):
        params, collections, state = method.init(key, batch["view"][:2])
        return method.embed(params, collections, state, batch, key)[0], state

    shapes = jax.eval_shape(embed, KEY, batch)
    embeddings, state = random_like(shapes[0], 1), random_like(shapes[1], 2)
    if isinstance(state, MCLBankState):
        state = state._replace(slots=slots_by_class(method.labels, method.num_classes))
    return method, embeddings, state


def losses_of(name, *settings, step=STEP):
    """Loss and metrics with each of the settings, in one program."""
    method, embeddings, state = inputs(name)

    def run(embeddings, state, step):
        found = []
        for fields in settings:
            loss, _, metrics = dataclasses.replace(method, **fields).loss(
                embeddings, state, BATCH_OF, step, KEY
            )
            found.append((loss, metrics))
        return found

    return jax.jit(run)(embeddings, state, jnp.asarray(step))


SCALED = [m for m in METHODS if "loss_scale" in {f.name for f in dataclasses.fields(trial(m).method)}]


@pytest.mark.parametrize("name", SCALED)
def test_loss_scale_multiplies_the_loss_and_no_metric(name):
    fields = {"probe_scale": 0.0} if name == "SupConJoint" else {}
    (one, metrics), (three, same) = losses_of(
        name, fields | {"loss_scale": 1.0}, fields | {"loss_scale": 3.0}
    )
    assert abs(one) > 1e-3
    np.testing.assert_allclose(three, 3 * one, rtol=1e-5)
    jax.tree.map(np.testing.assert_array_equal, metrics, same)


MCL_TERMS = ("vcl", "soft_vcl", "icl", "soft_icl")
MCL_OFF = dict.fromkeys(MCL_TERMS, 0.0)
WEIGHTS = [
    *(("MCL", MCL_OFF | {"cross_entropy": 0.0}, {term: f"loss_{term}"}) for term in MCL_TERMS),
    ("MCL", MCL_OFF, {"cross_entropy": "loss_cross_entropy"}),
    (
        "MCL",
        MCL_OFF | {"cross_entropy": 0.0, "distillation": "ensemble"},
        {"distillation_weight": "loss_distillation"},
    ),
    *(("MCLBank", MCL_OFF | {"cross_entropy": 0.0}, {term: f"loss_{term}"}) for term in MCL_TERMS),
    ("MCLBank", MCL_OFF, {"cross_entropy": "loss_cross_entropy"}),
    (
        "MCLBank",
        MCL_OFF | {"cross_entropy": 0.0, "distillation": "ensemble"},
        {"distillation_weight": "loss_distillation"},
    ),
    *(("MCLMoCo", MCL_OFF, {term: f"loss_{term}"}) for term in MCL_TERMS),
    ("SupConJoint", {"probe_scale": 0.0}, {"loss_scale": "loss_supcon"}),
    ("SupConJoint", {"loss_scale": 0.0}, {"probe_scale": "loss_probe"}),
]


@pytest.mark.parametrize("name, others, weight", WEIGHTS, ids=lambda x: x if isinstance(x, str) else "")
def test_a_weight_alone_gives_its_own_term(name, others, weight):
    ((field, metric),) = weight.items()
    for value, (loss, metrics) in zip(
        (1.0, 0.3), losses_of(name, others | {field: 1.0}, others | {field: 0.3})
    ):
        assert metrics[metric] > 1e-4
        np.testing.assert_allclose(loss, value * metrics[metric], rtol=1e-5)


BACKBONE = {"loss_final": 1.0}
SUMS = [
    ("SelfConM", {"alpha": 0.3}, {"loss_backbone": 1.0, "loss_subnetworks": 0.3}),
    ("SelfConMU", {"alpha": 0.3}, {"loss_backbone": 1.0, "loss_subnetworks": 0.3}),
    (
        "SelfCon1StageReleased",
        {"alpha": 0.2, "beta": 0.3, "gamma": 0.5},
        BACKBONE | {"loss_block1": 0.2, "loss_kd_block1": 0.3, "loss_selfcon_block1": 0.5},
    ),
    ("SelfCon1StageSD", {"beta": 0.3}, BACKBONE | {"loss_block1": 0.3, "loss_distill_block1": 0.7}),
    *(
        (name, {"beta": 0.3}, BACKBONE | {"loss_block1": 1.0, "loss_distill_block1": 0.3})
        for name in METHODS
        if name.startswith("SelfCon1Stage") and not name.endswith(("SD", "Released"))
    ),
    ("SDSSLBYOL", {"alpha": 0.6, "beta": 0.7}, {"loss_ssl": 1.0, "loss_isd": "alpha", "loss_pred": 0.7}),
    ("SDSSLMoCoV3", {"alpha": 0.6, "beta": 0.7}, {"loss_ssl": 1.0, "loss_isd": "alpha", "loss_pred": 0.7}),
    ("SDSSLSimCLR", {"alpha": 0.6}, {"loss_ssl": 1.0, "loss_isd": "alpha"}),
    ("SDSSLSimCLRSameView", {"alpha": 0.6}, {"loss_ssl": 1.0, "loss_isd": "alpha"}),
    ("IntriguingDecoupled", {"lam": 0.3}, {"loss_align": 1.0, "loss_match": 0.3}),
    ("IntriguingDecoupledPaper", {"lam": 0.3}, {"loss_align": 1.0, "loss_match": 0.3}),
    ("IntriguingSWD", {"lam": 0.3}, {"loss_align": 1.0, "loss_match": 0.3}),
    ("CrossEntropy", {}, {"loss_block1": 1.0, "loss_final": 1.0}),
    ("SupConLargeMargin", {}, {"loss_block1": 1.0, "loss_final": 1.0}),
]


@pytest.mark.parametrize("name, fields, weights", SUMS, ids=[name for name, _, _ in SUMS])
def test_the_loss_is_the_weighted_sum_of_the_terms_that_are_logged(name, fields, weights):
    """No two weights are equal, so exchanged ones are seen; the terms differ."""
    ((loss, metrics),) = losses_of(name, fields)
    alpha = fields.get("alpha", 0.0) * (1 - np.cos(np.pi * STEP / TOTAL)) / 2  # of SDSSL, at this step
    numbers = {metric: alpha if weight == "alpha" else weight for metric, weight in weights.items()}
    terms = [float(metrics[metric]) for metric in numbers]
    assert len(set(terms)) == len(terms)
    np.testing.assert_allclose(loss, sum(w * metrics[metric] for metric, w in numbers.items()), rtol=1e-5)


@pytest.mark.parametrize("name", ["BYOL", "MoCoV3", "SDSSLBYOL", "SDSSLMoCoV3"])
def test_the_momentum_that_is_logged_is_that_of_the_step(name):
    for step, total in ((0, 20), (5, 20), (5, 10), (20, 20)):
        ((_, metrics),) = losses_of(name, {"teacher_momentum": 0.8, "total_steps": total}, step=step)
        expected = 1 - 0.2 * (1 + np.cos(np.pi * step / total)) / 2
        np.testing.assert_allclose(metrics["teacher_momentum"], expected, rtol=1e-6)


ELSEWHERE = {"teacher_momentum", "memory_momentum", "blend_min", "blend_power", "blend_rate"}
"""Numbers that act after the loss, and those of the margin's blend, which has a test of its own."""


@pytest.mark.parametrize("name", METHODS)
def test_every_number_of_a_method_reaches_its_loss(name):
    fields = dataclasses.fields(trial(name).method)
    knobs = {
        f.name: 0.3 * f.default + 0.011
        for f in fields
        if isinstance(f.default, float) and f.name not in ELSEWHERE
    }
    on = {"distillation": "ensemble"} if name in ("MCL", "MCLBank", "MCLSharded") else {}
    (before, _), *after = losses_of(name, on, *(on | {knob: value} for knob, value in knobs.items()))
    idle = [knob for knob, (loss, _) in zip(knobs, after) if abs(loss - before) <= 1e-6 * abs(before)]
    assert idle == []


def test_supcon_s_leaves_out_images_that_are_alone_in_their_class():
    method, embeddings, _ = inputs("SupConS")
    label = jnp.asarray([0, 0, 1, 2, *[3] * 12])
    loss, _, _ = method.loss(embeddings, (), BATCH_OF | {"label": label}, STEP, KEY)
    per_anchor = losses.supcon(embeddings["final"], label, tau=method.tau)
    np.testing.assert_allclose(loss, method.loss_scale * np.sum(per_anchor) / 14, rtol=1e-5)
