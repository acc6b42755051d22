"""SDSSL: which parts each term teaches, what is detached, and what is left where alpha is 0."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from contrastive_jax.errors import InputError
from contrastive_jax.methods.byol import BYOL
from contrastive_jax.methods.generalized import SimCLR
from contrastive_jax.methods.moco import MoCoV3
from contrastive_jax.methods.sdssl import SDSSLBYOL, SDSSLMoCoV3, SDSSLSimCLR, SDSSLSimCLRSameView
from contrastive_jax.models.heads import ProjectionHead
from contrastive_jax.models.parts import prune
from contrastive_jax.models.vit import ViT

TOTAL = 10
LAYERS = ("layer01",)
ENCODER = ViT(patch=4, width=8, depth=2, heads=2, subnetworks=LAYERS)
HEAD = ProjectionHead(
    dim=4, depth=2, hidden_norm=True, output_norm="plain", hidden_bias=False, output_bias=False
)
PARTS = {"encoder": ENCODER, "head": HEAD}
DISTILLED = {"sdssl_moco_v3": (SDSSLMoCoV3, MoCoV3), "sdssl_byol": (SDSSLBYOL, BYOL)}
NAMES = ["sdssl_moco_v3", pytest.param("sdssl_byol", marks=pytest.mark.slow)]
STEP = jnp.asarray(0)
KEY = jax.random.key(0)
TERMS = ("loss_ssl", "loss_isd", "loss_pred")


@pytest.mark.parametrize("name", NAMES)
def test_terms_teach_their_own_parts_and_never_the_teacher(name):
    gradients = distilled(name)["gradients"]
    reached = {term: {part for part, size in sizes(gradients[term][0]).items() if size > 0} for term in TERMS}
    heads = {part: {f"{part}/{exit}" for exit in LAYERS} for part in ("projector", "predictor")}
    assert reached["loss_pred"] == heads["predictor"] | {"predictor/final"}
    assert reached["loss_isd"] == {"encoder"} | heads["projector"] | heads["predictor"]
    assert reached["loss_ssl"] == {"encoder", "projector/final", "predictor/final"}
    for term in TERMS:
        assert not any(np.any(leaf) for leaf in jax.tree.leaves(gradients[term][1])), (
            "the teacher is detached"
        )


@pytest.mark.parametrize("name", NAMES)
def test_with_alpha_0_encoder_and_projector_learn_as_the_baseline_does(name):
    found, baseline = distilled(name), DISTILLED[name][1](**PARTS, total_steps=TOTAL, predictor_hidden=6)
    params, collections, state = start(name)
    like, of_networks, of_method = jax.eval_shape(baseline.init, jax.random.key(0), views())
    params, state = prune(params, like), state._replace(teacher=prune(state.teacher, of_method.teacher))
    collections = type(collections)(*(prune(of, like) for of, like in zip(collections, of_networks)))

    def loss(params):
        embeddings, _ = baseline.embed(params, collections, state, batch(), KEY)
        return baseline.loss(embeddings, state, batch(), STEP, KEY)[0]

    value, gradient = jax.jit(jax.value_and_grad(loss))(params)
    np.testing.assert_allclose(value, found["values"]["loss_ssl"], rtol=1e-5)
    ours = found["gradients"]["loss"][0]  # at step 0, where alpha is 0
    for part in ("encoder", "projector"):
        same(prune(ours[part], gradient[part]), gradient[part])
    # L_ssl and L_pred each teach the final predictor: twice the baseline's gradient.
    same(ours["predictor"]["final"], jax.tree.map(lambda g: 2 * g, gradient["predictor"]["final"]))


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_is_the_weighted_sum_of_its_terms(name):
    method, found = (
        DISTILLED[name][0](**PARTS, total_steps=TOTAL, alpha=0.6, beta=0.7, loss_scale=3.0),
        distilled(name),
    )
    np.testing.assert_allclose(found["embeddings"]["prediction"], found["embeddings"]["detached"], atol=1e-6)
    loss_of = jax.jit(lambda embeddings, step: method.loss(embeddings, (), batch(), step, KEY))
    for step in (0, 4, TOTAL):
        loss, _, metrics = loss_of(found["embeddings"], jnp.asarray(step))
        alpha = 0.6 * (1 - np.cos(np.pi * step / TOTAL)) / 2
        ssl, isd, pred = (metrics[term] for term in TERMS)
        np.testing.assert_allclose(metrics["alpha"], alpha, atol=1e-7)
        np.testing.assert_allclose(loss, 3 * (ssl + alpha * isd + 0.7 * pred), rtol=1e-5)
        np.testing.assert_allclose(
            pred, ssl + isd * len(LAYERS), rtol=1e-5
        )  # the same values, other gradients


def test_the_teachers_statistics_are_those_of_its_own_forward_passes():
    params, collections, state = start("sdssl_moco_v3")
    wider = jax.tree_util.tree_map_with_path(
        lambda path, x: 2 * x if "hidden1" in str(path) else x, state.teacher
    )
    _, _, (after, _) = passes("sdssl_moco_v3")(params, collections, state._replace(teacher=wider), STEP)
    own, taught = (
        of["batch_stats"]["projector"]["final"]["norm1"]["norm"]["mean"]
        for of in (after.network, after.teacher)
    )
    assert np.max(np.abs(own)) > 1e-3
    np.testing.assert_allclose(taught, 2 * own, rtol=1e-4, atol=1e-6)


def test_a_frozen_patch_projection_is_no_parameter_and_the_teacher_has_the_same():
    params, collections, _ = start("sdssl_moco_v3")
    assert "patch" not in params["encoder"] and "layer01" in params["encoder"]
    frozen, copied = (of["frozen"]["encoder"] for of in collections)
    assert jax.tree.leaves(frozen)
    jax.tree.map(np.testing.assert_array_equal, frozen, copied)


def test_projectors_and_predictors_have_the_shapes_of_their_fields():
    fields = {"layer_hidden": 5, "predictor_hidden": 6, "predictor_depth": 3}
    method = SDSSLBYOL(**PARTS, total_steps=TOTAL, **fields)
    params, _, _ = jax.eval_shape(method.init, jax.random.key(0), views())
    hidden = {
        f"{part}/{exit}": [
            head[name]["dense"]["kernel"].shape[1] for name in sorted(head) if "hidden" in name
        ]
        for part in ("projector", "predictor")
        for exit, head in params[part].items()
    }
    assert hidden == {
        "projector/layer01": [5],
        "projector/final": [ENCODER.width],
        "predictor/layer01": [6, 6],
        "predictor/final": [6, 6],
    }


@pytest.mark.parametrize("cls", [SDSSLSimCLR, pytest.param(SDSSLSimCLRSameView, marks=pytest.mark.slow)])
def test_sd_simclr_detaches_its_target_and_alpha_0_is_simclr(cls):
    method = cls(**PARTS, total_steps=TOTAL)
    params, collections, state = jax.jit(method.init)(jax.random.key(0), views())

    def terms(params):
        z, _ = method.embed(params, collections, state, batch(), KEY)
        loss, _, metrics = method.loss(z, state, batch(), STEP, KEY)
        return {"loss": loss, "loss_isd": metrics["loss_isd"]}, None

    values, gradients, _ = jax.jit(lambda params: pulled(terms, params))(params)
    reached = {part for part, size in sizes(gradients["loss_isd"][0]).items() if size > 0}
    assert reached == {"encoder", "projector/layer01"}

    simclr = SimCLR(**PARTS, tau=method.tau)
    one = {"encoder": params["encoder"]} | {f"head_{k}": head for k, head in params["projector"].items()}

    def loss(params):
        z = method.embed(params, collections, state, batch(), KEY)[0][:, :, -1]
        return simclr.loss({"final": z}, (), batch(), STEP, KEY)[0]

    expected, _, _ = jax.eval_shape(simclr.init, jax.random.key(0), views())
    assert jax.tree.structure(expected) == jax.tree.structure(one)
    value, gradient = jax.jit(jax.value_and_grad(loss))(params)
    np.testing.assert_allclose(value, values["loss"], rtol=1e-5)
    same(gradients["loss"][0], gradient)


def test_wrong_fields_are_refused_with_a_sentence():
    with pytest.raises(InputError, match="subnetworks"):
        SDSSLBYOL(encoder=ENCODER.clone(subnetworks=()), head=HEAD, total_steps=TOTAL)
    with pytest.raises(InputError, match="cosine"):
        SDSSLMoCoV3(**PARTS, total_steps=TOTAL, alpha_schedule="cosin")


def views():
    return jax.random.uniform(jax.random.key(7), (8, 2, 8, 8, 1))


def batch():
    return {"view": views(), "label": jnp.arange(8), "index": jnp.arange(8)}


@functools.cache
def start(name):
    """A distilling method's fresh `params`, `collections` and `state`."""
    return jax.jit(distilling(name).init)(jax.random.key(0), views())


def distilling(name):
    return DISTILLED[name][0](**PARTS, total_steps=TOTAL, layer_hidden=5, predictor_hidden=6)


@functools.cache
def passes(name):
    """Compiled: terms, gradients with respect to student and teacher, and what the networks gave."""
    method = distilling(name)

    def run(params, collections, state, step):
        def terms(params, teacher):
            held = state._replace(teacher=teacher)
            embeddings, after = method.embed(params, collections, held, batch(), KEY)
            loss, _, metrics = method.loss(embeddings, held, batch(), step, KEY)
            return {"loss": loss, **{term: metrics[term] for term in TERMS}}, (after, embeddings)

        return pulled(terms, params, state.teacher)

    return jax.jit(run)


@functools.cache
def distilled(name):
    values, gradients, (_, embeddings) = passes(name)(*start(name), STEP)
    return {"values": values, "gradients": gradients, "embeddings": embeddings}


def pulled(terms, *inputs):
    """Values by name, by name the gradients with respect to every input, and what else `terms` returns."""
    values, pull, more = jax.vjp(terms, *inputs, has_aux=True)
    seeds = [{n: jnp.full_like(v, float(n == name)) for n, v in values.items()} for name in values]
    stacked = jax.vmap(pull)(jax.tree.map(lambda *s: jnp.stack(s), *seeds))
    return values, {name: jax.tree.map(lambda g, i=i: g[i], stacked) for i, name in enumerate(values)}, more


def sizes(gradient):
    """The largest entry of every part: `encoder`, `projector/layer01`, ..."""
    found = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradient):
        names = [entry.key for entry in path]
        part = names[0] if names[0] == "encoder" else "/".join(names[:2])
        found[part] = max(found.get(part, 0.0), float(np.max(np.abs(leaf))))
    return found


def same(tree, other):
    assert jax.tree.structure(tree) == jax.tree.structure(other)
    largest = max(float(np.max(np.abs(leaf))) for leaf in jax.tree.leaves(other))
    for a, b in zip(jax.tree.leaves(tree), jax.tree.leaves(other)):
        np.testing.assert_allclose(a, b, atol=1e-4 * largest)
