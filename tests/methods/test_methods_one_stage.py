"""One-stage training: what is remembered and who learns from whom, one step by hand against the method."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from by_hand import KEY, LABEL, STEP, batch_of, compiled, filled_queue, made, shapes, unit
from tiny import BATCH, METHODS, Trial

from contrastive_jax import losses
from contrastive_jax.losses import l2_normalize
from contrastive_jax.methods.selfcon_one_stage_memory import CompressState, CRDState, MemoryState, drawn_slots

PAPERS_FORMS = [
    (name, form)
    for name in METHODS
    if name.startswith("SelfCon1Stage") and not name.endswith(("SD", "Released"))
    for form in ("features", "logits")
]


def distilling(name, form="features", seed=11, **fields):
    """A one-stage method with raw outputs of one sub-network and the backbone."""
    method = made(name, form=form, **fields | ({"beta": 0.5} if form == "logits" else {}))
    random = np.random.default_rng(seed)
    logits = {exit: jnp.asarray(random.normal(size=(BATCH, 10)), jnp.float32) for exit in ("block1", "final")}
    seen = {
        exit: jnp.asarray(2 * random.normal(size=(BATCH, 8)), jnp.float32) for exit in ("block1", "final")
    }
    return method, {"logits": logits, "seen": logits if form == "logits" else seen}


@pytest.mark.parametrize("name", ["selfcon_1stage_crd", "selfcon_1stage_mlcpc"])
def test_memory_slots_move_towards_the_backbone_after_use(name):
    method, embeddings = distilling(name, negatives=20, memory_momentum=0.3)
    memory = unit(4, method.examples, 8)
    state = (
        CRDState(memory, {"block1": jnp.float32(7.0)})
        if name == "selfcon_1stage_crd"
        else MemoryState(memory)
    )
    batch = batch_of(method)
    loss, after, metrics = compiled(method)(embeddings, state, batch, STEP + 5, KEY)
    slots = drawn_slots(KEY, batch["index"], examples=method.examples, negatives=20)
    w = embeddings["seen"]["block1"]
    scores = losses.memory_scores(l2_normalize(w), memory, slots, tau=method.tau)
    if name == "selfcon_1stage_crd":
        per_image = losses.crd(scores, jnp.float32(7.0), examples=method.examples)
    else:
        per_image = losses.ml_cpc(scores, alpha=0.01)
    expected = np.mean(np.linalg.norm(embeddings["seen"]["final"], axis=1) * per_image)
    np.testing.assert_allclose(metrics["loss_distill_block1"], expected, rtol=1e-5)
    teacher = np.array(embeddings["seen"]["final"])
    teacher /= np.linalg.norm(teacher, axis=1, keepdims=True)
    expected = np.array(memory)
    for i, slot in enumerate(np.asarray(batch["index"])):
        mixed = 0.3 * expected[slot] + 0.7 * teacher[i]
        expected[slot] = mixed / np.linalg.norm(mixed)
    np.testing.assert_allclose(after.memory, expected, rtol=1e-5, atol=1e-6)
    moved = state._replace(memory=after.memory)
    later, _, _ = compiled(method)(embeddings, moved, batch, STEP + 5, KEY)
    assert abs(later - loss) > 1e-3, "the memory has no influence"


def test_crd_takes_its_constant_at_the_first_step_and_keeps_it():
    method, embeddings = distilling("selfcon_1stage_crd", negatives=20)
    state = CRDState(unit(4, method.examples, 8), {"block1": jnp.zeros(())})
    batch = batch_of(method)
    _, first, _ = compiled(method)(embeddings, state, batch, STEP, KEY)
    slots = drawn_slots(KEY, batch["index"], examples=method.examples, negatives=20)
    w = np.array(embeddings["seen"]["block1"])
    w /= np.linalg.norm(w, axis=1, keepdims=True)
    s = np.einsum("nd,nkd->nk", w, np.asarray(state.memory)[np.asarray(slots)]) / 0.07
    expected = np.log(np.mean(np.exp(s)) * method.examples)
    np.testing.assert_allclose(first.log_z["block1"], expected, rtol=1e-5)
    _, second, _ = compiled(method)(embeddings, first, batch, STEP + 1, jax.random.key(9))
    assert second.log_z["block1"] == first.log_z["block1"]


def test_negatives_are_drawn_by_the_key_and_never_the_images_own_slot():
    index = jnp.arange(6)
    slots = drawn_slots(KEY, index, examples=7, negatives=500)
    assert np.array_equal(slots[:, 0], index)
    for own, others in zip(index, slots[:, 1:]):
        assert set(np.asarray(others)) == set(range(7)) - {int(own)}
    again, other = (drawn_slots(key, index, examples=7, negatives=500) for key in (KEY, jax.random.key(8)))
    assert np.array_equal(slots, again) and not np.array_equal(slots, other)


def test_compress_compares_with_the_queues_before_this_batch():
    method, embeddings = distilling("selfcon_1stage_compress", queue_size=40)
    queues = {
        "block1": filled_queue(40, 8, at=30),
        "final": filled_queue(40, 8, at=30)._replace(z=unit(6, 40, 8)),
    }
    _, state, metrics = compiled(method)(embeddings, CompressState(queues), batch_of(method), STEP, KEY)
    norms = {exit: np.linalg.norm(w, axis=1, keepdims=True) for exit, w in embeddings["seen"].items()}
    z = {exit: embeddings["seen"][exit] / norms[exit] for exit in norms}
    kl = losses.compress(z["block1"], z["final"], queues["block1"].z, queues["final"].z, tau=0.04)
    expected = np.mean(norms["final"][:, 0] * kl)
    np.testing.assert_allclose(metrics["loss_distill_block1"], expected, rtol=1e-4)
    for exit, queue in queues.items():
        np.testing.assert_allclose(state.queues[exit].z[30:], z[exit][:10], atol=1e-6)
        np.testing.assert_allclose(state.queues[exit].z[:6], z[exit][10:], atol=1e-6)
        assert np.array_equal(state.queues[exit].z[6:30], queue.z[6:30])


@pytest.mark.parametrize("name, form", PAPERS_FORMS)
def test_one_stage_trains_the_backbone_from_labels_alone(name, form):
    """Both forms: its gradient is that of its own cross-entropy, the sub-network's has a part from L too."""
    method, embeddings = distilling(name, form)
    dim = 10 if form == "logits" else 8
    memory = unit(4, method.examples, dim) if hasattr(method, "examples") else None
    states = {
        "SelfCon1StageCRD": CRDState(memory, {"block1": jnp.float32(7.0)}),
        "SelfCon1StageMLCPC": MemoryState(memory),
        "SelfCon1StageCompress": CompressState({e: filled_queue(40, dim, at=0) for e in ("block1", "final")}),
    }
    state = states.get(name, ())

    def total(embeddings):
        if form == "logits":
            embeddings = embeddings | {"seen": embeddings["logits"]}
        return compiled(method)(embeddings, state, batch_of(method), STEP, KEY)[0]

    def plain(logits):
        return jnp.mean(losses.cross_entropy(logits, LABEL))

    slope = jax.jit(jax.grad(total))(embeddings)
    of_labels = {exit: jax.grad(plain)(logits) for exit, logits in embeddings["logits"].items()}
    np.testing.assert_allclose(slope["logits"]["final"], of_labels["final"], atol=1e-7)
    if form == "features":
        assert not np.any(slope["seen"]["final"]) and np.all(np.any(slope["seen"]["block1"], axis=1))
        np.testing.assert_allclose(slope["logits"]["block1"], of_labels["block1"], atol=1e-7)
    else:
        assert np.max(np.abs(slope["logits"]["block1"] - 0.5 * of_labels["block1"])) > 1e-4


def test_released_one_stage_lets_the_contrast_reach_the_backbone():
    method = made("selfcon_1stage_released")
    _, embeddings = distilling("selfcon_1stage_byol")

    def total(embeddings):
        return compiled(method)(embeddings, (), batch_of(method), STEP, KEY)[0]

    assert np.any(jax.jit(jax.grad(total))(embeddings)["seen"]["final"])


def test_logit_form_has_no_projections_and_heads_may_have_batch_norm():
    params, collections, _ = shapes(made("selfcon_1stage_byol", form="logits", beta=0.5))
    assert not [name for name in (*params, *collections.network) if "projection" in name]
    method = Trial("selfcon_1stage_byol", 1, 0, head={"hidden_norm": True}).method
    params, collections, state = shapes(method)
    statistics = collections.network["batch_stats"]
    assert "projection_final" not in params
    assert {"projection_block1", "projection_final"} <= set(statistics)
    embed = functools.partial(method.embed, key=KEY)
    _, after = jax.eval_shape(embed, params, collections, state, batch_of(method))
    assert jax.tree.map(lambda x: x.shape, after) == jax.tree.map(lambda x: x.shape, collections)
