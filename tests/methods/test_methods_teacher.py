"""BYOL, MoCo, MoCo v3 and SDSSL: how the teacher moves; MoCo's queue and the order of its keys."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import trial

from contrastive_jax.errors import InputError
from contrastive_jax.losses import l2_normalize
from contrastive_jax.methods.byol import BYOL
from contrastive_jax.methods.mcl_memory import MCLMoCo
from contrastive_jax.methods.moco import MoCo, MoCoState, MoCoV3
from contrastive_jax.methods.sdssl import SDSSLBYOL, SDSSLMoCoV3, SDSSLSimCLR
from contrastive_jax.methods.student_teacher import TeacherState
from contrastive_jax.models.heads import ProjectionHead
from contrastive_jax.models.parts import prune
from contrastive_jax.models.resnet import ResNet
from contrastive_jax.models.vit import ViT

TOTAL = 10
ENCODER = ViT(patch=4, width=8, depth=2, heads=2, subnetworks=("layer01",))
HEAD = ProjectionHead(
    dim=4, depth=2, hidden_norm=True, output_norm="plain", hidden_bias=False, output_bias=False
)
PARTS = {"encoder": ENCODER, "head": HEAD}
METHODS = {
    "byol": BYOL,
    "moco": MoCo,
    "moco_v3": MoCoV3,
    "sdssl_byol": SDSSLBYOL,
    "sdssl_moco_v3": SDSSLMoCoV3,
}
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in METHODS if name != "sdssl_moco_v3"]


def cosine(base, step, total):
    return 1 - (1 - base) * (1 + np.cos(np.pi * step / total)) / 2


RULES = {
    "byol": lambda base, step, total: cosine(base, step, total),
    "sdssl_byol": lambda base, step, total: cosine(base, step, total),
    "sdssl_moco_v3": lambda base, step, total: cosine(base, step, total),
    "moco_v3": lambda base, step, total: cosine(base, step + 1, total),
    "moco": lambda base, step, total: base,
}
"""The teacher's momentum in the update that ends a step. MoCo v3 moves its teacher as the next step begins."""


@pytest.mark.parametrize("name", RULES)
def test_the_teacher_moves_by_the_stated_rule(name):
    own = {"batch_size": 8} if name == "moco" else {"total_steps": TOTAL}
    method = METHODS[name](**PARTS, teacher_momentum=0.8, **own)
    teacher = {"encoder": {"w": jnp.asarray(3.0)}, "projector": {"final": {"w": jnp.asarray(-2.0)}}}
    queue = jnp.asarray(1.0)
    state = MoCoState(teacher, queue) if name == "moco" else TeacherState(teacher)
    encoder, projector = 3.0, -2.0
    for step in range(2):
        student = {"encoder": {"w": jnp.asarray(1.0 + step), "sub_block1": {"w": jnp.asarray(9.0)}}}
        heads = {"final": {"w": jnp.asarray(4.0)}, "block1": {"w": jnp.asarray(8.0)}}
        params = student | {"projector": heads, "predictor": heads}
        state = method.after_update(params, state, jnp.asarray(step))
        m = RULES[name](0.8, step, TOTAL)
        encoder, projector = m * encoder + (1 - m) * (1.0 + step), m * projector + (1 - m) * 4.0
        moved = state.teacher
        assert jax.tree.structure(moved) == jax.tree.structure(teacher)
        np.testing.assert_allclose(moved["encoder"]["w"], encoder, atol=1e-6)
        np.testing.assert_allclose(moved["projector"]["final"]["w"], projector, atol=1e-6)
    assert state[1:] == ((queue,) if name == "moco" else ()), "only parameters are averaged"


@pytest.mark.parametrize("name", ["sdssl_moco_v3", *SLOW])
def test_the_teacher_is_the_moving_average_of_the_student(name):
    tiny = trial(name, 1)
    state, fields = tiny.state(), vars(tiny.method)
    teacher = jax.device_get(state.method_state.teacher)
    for leaf, own in zip(jax.tree.leaves(teacher), jax.tree.leaves(prune(state.params, teacher))):
        np.testing.assert_array_equal(leaf, own)
    names = {
        jax.tree_util.keystr(p, simple=True, separator="/")
        for p, _ in jax.tree_util.tree_leaves_with_path(teacher)
    }
    assert any(name.startswith("encoder/block3") for name in names)
    assert any(name.startswith("projector/final") for name in names)
    assert not any("sub_" in name or "predictor" in name or "projector/block" in name for name in names)
    for step in range(2):
        state, _ = tiny.step(state, tiny.batch(step))
        student = jax.device_get(prune(state.params, teacher))
        m = RULES[name](fields["teacher_momentum"], step, fields.get("total_steps"))
        teacher = jax.tree.map(lambda old, new, m=m: m * old + (1 - m) * new, teacher, student)
        moved = jax.device_get(state.method_state.teacher)
        for expected, found in zip(jax.tree.leaves(teacher), jax.tree.leaves(moved)):
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_moco_uses_the_queue_before_it_pushes_the_keys():
    method = MoCo(**PARTS, batch_size=8, queue_size=12, tau=0.2)
    _, _, state = jax.jit(method.init)(jax.random.key(0), views())
    q, k = (l2_normalize(jax.random.normal(jax.random.key(i), (8, 4))) for i in range(2))

    def loss_of(k):
        loss, *found = method.loss({"query": q, "key": k}, state, batch(), jnp.asarray(0), jax.random.key(1))
        return loss, found

    (loss, (after, _)), gradient = jax.jit(jax.value_and_grad(loss_of, has_aux=True))(k)
    old = np.asarray(state.queue.z)
    logits = np.concatenate([np.sum(q * k, axis=1)[:, None], q @ old.T], axis=1) / 0.2
    expected = np.mean(np.log(np.sum(np.exp(logits), axis=1)) - logits[:, 0])
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    np.testing.assert_allclose(after.queue.z, np.concatenate([k, old[8:]]), rtol=1e-6)
    assert int(after.queue.at) == 8
    assert not np.any(gradient), "keys are detached"


def test_moco_shuffles_the_keys_and_puts_them_back():
    """In groups as large as the batch the order cannot matter: any other result is a wrong order."""
    plain = MoCo(**PARTS, batch_size=8)
    grouped = MoCo(encoder=ENCODER.clone(norm_group=8), head=HEAD.clone(norm_group=8), batch_size=8)
    inputs = *jax.jit(plain.init)(jax.random.key(0), views()), batch(), jax.random.key(1)
    traced = [jax.jit(method.embed).trace(*inputs) for method in (plain, grouped)]
    assert ["sort" in str(trace.jaxpr) for trace in traced] == [False, True]
    found = [trace.lower().compile()(*inputs)[0]["key"] for trace in traced]
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)


@pytest.mark.parametrize("cls", [BYOL, MoCo, SDSSLMoCoV3, SDSSLSimCLR])
def test_a_network_with_stochastic_depth_gets_a_key(cls):
    given: dict[str, Any] = {"batch_size": 8} if cls is MoCo else {"total_steps": TOTAL}
    method = cls(encoder=ENCODER.clone(drop_path=0.5), head=HEAD, **given)
    params, collections, state = jax.eval_shape(method.init, jax.random.key(0), views())
    embeddings, after = jax.eval_shape(method.embed, params, collections, state, batch(), jax.random.key(1))
    assert jax.tree.structure(after) == jax.tree.structure(collections)
    assert all(leaf.shape[0] == 8 for leaf in jax.tree.leaves(embeddings))


def doubled(tree):
    return jax.tree.map(lambda leaf: 2 * leaf, tree)


@pytest.mark.parametrize("cls", [BYOL, SDSSLMoCoV3, MoCo, MCLMoCo])
def test_predictions_come_from_the_student_and_targets_from_the_teacher_each_from_its_view(cls):
    """Doubling one network's parameters, or changing one view, changes what comes of it and nothing else."""
    if cls is MCLMoCo:
        method = cls(encoder=ResNet(depth=8, width=2), head=ProjectionHead(dim=4), batch_size=8, queue_size=8)
    else:
        own: dict[str, Any] = {"batch_size": 8} if cls is MoCo else {"total_steps": TOTAL}
        method = cls(encoder=ENCODER, head=HEAD.clone(hidden_norm=False, output_norm="none"), **own)
    queues = cls in (MoCo, MCLMoCo)
    ours, theirs = ("query", "key") if queues else ("prediction", "target")
    params, collections, state = jax.jit(method.init)(jax.random.key(0), views())

    @jax.jit
    def embed(params, teacher, view):
        given = state._replace(teacher=teacher)
        found, _ = method.embed(params, collections, given, {**batch(), "view": view}, jax.random.key(1))
        return found[ours], found[theirs]

    def changed(a, b):
        return [bool(np.any(x != y)) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b))]

    before = embed(params, state.teacher, views())
    student = embed(doubled(params), state.teacher, views())
    teacher = embed(params, doubled(state.teacher), views())
    assert all(changed(before[0], student[0])) and not any(changed(before[1], student[1]))
    assert all(changed(before[1], teacher[1])) and not any(changed(before[0], teacher[0]))
    for view in (0, 1):
        moved = embed(params, state.teacher, views().at[:, view].multiply(0.5))
        if queues:  # the query is of the first view, the key of the second
            assert any(changed(before[0], moved[0])) == (view == 0)
            assert any(changed(before[1], moved[1])) == (view == 1)
        else:
            for a, b in zip(before, moved):
                assert np.any(a[:, view] != b[:, view]) and not np.any(a[:, 1 - view] != b[:, 1 - view])


def test_a_queue_smaller_than_a_batch_is_refused():
    with pytest.raises(InputError, match="brings 8 rows"):
        MoCo(**PARTS, batch_size=8, queue_size=4)


def views():
    return jax.random.uniform(jax.random.key(7), (8, 2, 8, 8, 1))


def batch():
    return {"view": views(), "label": jnp.arange(8), "index": jnp.arange(8)}
