"""What methods remember, and what they let learn: one step by hand against the method's own."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import BATCH, METHODS, Trial, trial

from contrastive_jax import losses
from contrastive_jax.errors import InputError
from contrastive_jax.losses import Queue, l2_normalize
from contrastive_jax.methods.selfcon_one_stage_memory import (
    CompressState,
    CRDState,
    MemoryState,
    drawn_slots,
)
from contrastive_jax.methods.supcon import BankState, QueueState
from contrastive_jax.methods.supcon_baselines import drawn_triplets

KEY = jax.random.key(3)
STEP = jnp.zeros((), jnp.int32)
LABEL = jnp.asarray(np.random.default_rng(0).integers(0, 4, BATCH))
SELFCON = [name for name in METHODS if name.startswith("SelfCon")]
PAPERS_FORMS = [
    (name, form)
    for name in SELFCON
    if name.startswith("SelfCon1Stage") and not name.endswith(("SD", "Released"))
    for form in ("features", "logits")
]


def unit(seed, *shape):
    z = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return jnp.asarray(z / np.linalg.norm(z, axis=-1, keepdims=True))


def made(name, **fields):
    return dataclasses.replace(trial(name, 1).method, **fields)


def shapes(method):
    """Shapes of its parameters, collections and state."""
    return jax.eval_shape(method.init, KEY, jnp.zeros((2, method.views, 8, 8, 1)))


def fresh(method):
    """Its real start, cheaply compiled."""
    return jax.jit(method.init)(KEY, jnp.zeros((2, method.views, 8, 8, 1)))


def batch_of(method, seed=5):
    images = np.random.default_rng(seed).normal(size=(BATCH, method.views, 8, 8, 1))
    view = jnp.asarray(images, jnp.float32)
    return {"view": view, "label": LABEL, "index": jnp.arange(BATCH) * 3}


def compiled(method):
    return jax.jit(method.loss)


def filled_queue(size, dim, at):
    label = jnp.asarray(np.random.default_rng(1).integers(-1, 4, size), jnp.int32)
    return Queue(unit(2, size, dim), label, jnp.asarray(at, jnp.int32))


def check_pushed(before, after, z, label):
    """First in, first out: the new rows in order from `at`, round the end, and nothing else."""
    expected, labels = np.array(before.z), np.array(before.label)
    for i, (row, own) in enumerate(zip(np.asarray(z), np.asarray(label))):
        expected[(int(before.at) + i) % len(expected)] = row
        labels[(int(before.at) + i) % len(labels)] = own
    np.testing.assert_array_equal(after.z, expected)
    np.testing.assert_array_equal(after.label, labels)
    assert after.at == (int(before.at) + len(z)) % len(expected)


@pytest.mark.parametrize("name, copies", [("supcon_bank", 2), ("selfcon_s_bank", 2)])
def test_bank_is_used_then_pushed(name, copies):
    method, memory = made(name, bank_size=40), filled_queue(40, 8, at=30)
    z = unit(7, BATCH, copies, 8)
    of_exits = {"block1": z[:, :1], "final": z[:, 1:]}
    embeddings = of_exits if name.startswith("selfcon") else {"final": z}
    loss, state, metrics = compiled(method)(embeddings, BankState(memory), batch_of(method), STEP, KEY)
    per_anchor = losses.supcon_bank(z, LABEL, memory.z, memory.label, tau=method.tau)
    np.testing.assert_allclose(loss, np.mean(per_anchor), rtol=1e-6)
    check_pushed(memory, state.bank, z.reshape(-1, 8), np.repeat(LABEL, copies))
    again, _, _ = compiled(method)(embeddings, state, batch_of(method), STEP, KEY)
    assert abs(again - loss) > 1e-3, "the memory has no influence"
    bound = np.log(BATCH * copies + 40 - 1) - metrics[f"loss_{name}"]
    np.testing.assert_allclose(metrics["infonce_bound"], bound, rtol=1e-5)


def test_queue_contrasts_with_the_teachers_keys_and_is_used_then_pushed():
    method, queue = made("supcon_queue", queue_size=40), filled_queue(40, 8, at=30)
    q, k = unit(7, BATCH, 2, 8), unit(8, BATCH, 2, 8)
    embeddings = {"query": q, "key": k}
    before = QueueState({}, queue)
    loss, state, _ = compiled(method)(embeddings, before, batch_of(method), STEP, KEY)
    keys, labels = (
        np.concatenate([k.reshape(-1, 8), queue.z]),
        np.concatenate([np.repeat(LABEL, 2), queue.label]),
    )
    per_anchor = []
    for i, anchor in enumerate(np.asarray(q.reshape(-1, 8))):
        s = keys @ anchor / method.tau
        others = np.arange(len(keys)) != i  # not its own key
        positive = others & (labels == LABEL[i // 2])
        per_anchor.append(np.log(np.sum(np.exp(s[others]))) - np.mean(s[positive]))
    np.testing.assert_allclose(loss, np.mean(per_anchor), rtol=1e-5)
    check_pushed(queue, state.queue, k.reshape(-1, 8), np.repeat(LABEL, 2))


def test_queue_keys_come_from_the_teacher_which_alone_the_update_moves():
    method = made("supcon_queue", queue_size=40, teacher_momentum=0.75)
    params, collections, state = fresh(method)
    assert all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(params), jax.tree.leaves(state.teacher)))
    student = jax.tree.map(lambda leaf: leaf + 0.5, params)
    moved = method.after_update(student, state, STEP)
    expected = jax.tree.map(lambda old: 0.75 * old + 0.25 * (old + 0.5), params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6), moved.teacher, expected)
    unmoved = (moved._replace(teacher=0), state._replace(teacher=0))
    assert all(np.array_equal(a, b) for a, b in zip(*map(jax.tree.leaves, unmoved)))

    def keys(params, teacher):
        return method.embed(params, collections, state._replace(teacher=teacher), batch_of(method), KEY)

    both = jax.jit(keys)
    embeddings, after = both(params, params)
    np.testing.assert_allclose(embeddings["query"], embeddings["key"], atol=1e-6)
    other, _ = both(params, student)
    assert np.array_equal(other["query"], embeddings["query"]) and not np.allclose(
        other["key"], embeddings["key"]
    )
    changed = jax.tree.map(
        lambda a, b: np.any(a != b), after.teacher["batch_stats"], collections.teacher["batch_stats"]
    )
    assert any(jax.tree.leaves(changed)), "the teacher's BatchNorm statistics do not move"
    slope = jax.jit(jax.grad(lambda p: jnp.sum(keys(p, p)[0]["key"] ** 3)))(params)
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(slope))


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
    method, embeddings = distilling(name, negatives=20)
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
        mixed = 0.5 * expected[slot] + 0.5 * teacher[i]
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


@pytest.mark.parametrize(
    "name", ["selfcon_m", "selfcon_mu", "selfcon_m_joint", "selfcon_mu_joint", "selfcon_su"]
)
def test_selfcon_methods_are_their_losses(name):
    weights = {"alpha": 0.5} if name in ("selfcon_m", "selfcon_mu") else {}
    method = made(name, tau=0.3, loss_scale=2.0, **weights)
    exits = unit(6, BATCH, method.views, 3, 8)
    embeddings = {"block1": exits[:, :, 0], "final": exits[:, :, 2], "block2": exits[:, :, 1]}
    loss, _, metrics = compiled(method)(embeddings, (), batch_of(method), STEP, KEY)
    labels = (LABEL,) if method.needs_labels else ()
    per_anchor = getattr(losses, name)(exits[:, 0] if name == "selfcon_su" else exits, *labels, tau=0.3)
    if weights:
        per_anchor = per_anchor.weighted(**weights)
    np.testing.assert_allclose(loss, 2 * losses.mean_keep(per_anchor), rtol=1e-5)
    assert {"contrastive_top1", "infonce_bound", "positives_share"} <= set(metrics)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in ("SelfConM", "SelfCon1StageCompress") else [pytest.mark.slow])
        for name in SELFCON
    ],
)
def test_selfcon_takes_any_number_of_subnetworks(name):
    method = Trial(name, 1, 0, network={"subnetworks": ("block1", "block2"), "subnetwork": "small"}).method
    params, *kept = shapes(method)

    def step(params, collections, state, batch):
        embeddings, collections = method.embed(params, collections, state, batch, KEY)
        return collections, method.loss(embeddings, state, batch, STEP, KEY)[1]

    after = jax.eval_shape(step, params, *kept, batch_of(method))
    assert jax.tree.map(lambda x: x.shape, after) == jax.tree.map(lambda x: x.shape, tuple(kept))


@pytest.mark.parametrize("name", sorted({*SELFCON} - {"SelfConS"}))
def test_selfcon_refuses_a_network_without_subnetworks(name):
    method = Trial(name, 1, 0, network={"subnetworks": ()}).method
    with pytest.raises(InputError, match="subnetworks"):
        shapes(method)


@pytest.mark.parametrize(
    "name, fields, words",
    [
        ("supcon_bank", {"bank_size": 31}, "32 rows"),
        ("supcon_queue", {"queue_size": 31}, "32 rows"),
        ("selfcon_1stage_compress", {"queue_size": 15}, "16 rows"),
        ("selfcon_1stage_byol", {"form": "logit"}, "logits"),
        ("selfcon_1stage_byol", {"form": "logits"}, "1 - beta"),
        ("selfcon_1stage_crd", {"negatives": 0}, "negatives"),
    ],
)
def test_settings_that_cannot_work_are_refused(name, fields, words):
    with pytest.raises(InputError, match=words):
        made(name, **fields)


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


def test_joint_probe_sends_nothing_back():
    method = made("supcon_joint")
    params, *kept = fresh(method)

    def total(params):
        return jnp.sum(method.embed(params, *kept, batch_of(method), KEY)[0]["logits"] ** 2)

    slope = jax.jit(jax.grad(total))(params)
    assert all(np.any(leaf) for leaf in jax.tree.leaves(slope.pop("probe")))
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(slope))


def test_large_margin_is_its_loss_and_its_blend_fades():
    method = made("supcon_large_margin", margin=3, blend=4.0, blend_rate=1.0, blend_power=2.0, blend_min=0.01)
    x, weight = 3 * unit(1, BATCH, 6), 2 * unit(2, 10, 6)
    norm = jnp.linalg.norm(x, axis=1)[:, None] * jnp.linalg.norm(weight, axis=1)[None]
    embeddings = {"final": {"logit": (x @ weight.T)[:, None], "norm": norm[:, None]}}
    for step, blend in ((0, 4.0), (1, 1.0), (1000, 0.01)):
        loss, _, metrics = compiled(method)(embeddings, (), batch_of(method), STEP + step, KEY)
        per_image = losses.large_margin_softmax(x, weight, LABEL, margin=3, blend=blend)
        np.testing.assert_allclose(loss, np.mean(per_image), rtol=1e-5)
        np.testing.assert_allclose(metrics["margin_blend"], blend, rtol=1e-5)


def test_large_margin_embeds_logits_and_norms():
    method = made("supcon_large_margin")
    params, *kept = fresh(method)
    embeddings, _ = jax.jit(method.embed)(params, *kept, batch_of(method), KEY)
    for exit, found in embeddings.items():
        assert np.all(np.abs(found["logit"]) <= found["norm"] * 1.0001)
        ratio = np.asarray(found["norm"][0, 0] / found["norm"][1, 0])
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-4)  # |w| cancels
        weight = np.linalg.norm(params[f"head_{exit}"]["dense"]["kernel"], axis=0)
        np.testing.assert_allclose(
            found["norm"][3, 0] / weight, found["norm"][3, 0, 0] / weight[0], rtol=1e-4
        )


def test_triplets_are_uniform_among_those_that_qualify():
    label = jnp.asarray([2, 0, 2, 1, 0, 2, 1, 3])  # 3 is alone
    keys = jax.random.split(KEY, 400)
    positive, negative, exists = jax.jit(jax.vmap(drawn_triplets, (0, None)))(keys, label)
    assert np.array_equal(exists[0], label != 3)
    for i, own in enumerate(np.asarray(label)):
        same = [j for j in range(8) if label[j] == own and j != i]
        if same:
            assert sorted(set(np.asarray(positive[:, i]))) == same
        others = [j for j in range(8) if label[j] != own]
        drawn = np.bincount(np.asarray(negative[:, i]), minlength=8)
        assert np.all(drawn[others] > 0.5 * 400 / len(others)) and drawn.sum() == drawn[others].sum()
    assert not np.any(drawn_triplets(KEY, jnp.zeros(5, jnp.int32))[2]), "no negatives in a batch of one class"
