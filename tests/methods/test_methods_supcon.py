"""SupCon's bank, queue and teacher, its joint classifier and its baselines, one step by hand against the method."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from by_hand import KEY, LABEL, STEP, batch_of, check_pushed, compiled, filled_queue, fresh, made, unit
from tiny import BATCH, experiment

from contrastive_jax import losses
from contrastive_jax.errors import InputError
from contrastive_jax.methods.supcon import BankState, QueueState
from contrastive_jax.methods.supcon_baselines import drawn_triplets


@pytest.mark.parametrize("cap", [0, 2, 4])
def test_a_cap_leaves_that_many_positives_of_other_images(cap):
    method, z = made("supcon", positives_cap=cap), unit(7, BATCH, 2, 8)
    loss, _, metrics = compiled(method)({"final": z}, (), batch_of(method), STEP, KEY)
    per_anchor = losses.variants.supcon_capped(z, LABEL, tau=method.tau, cap=cap)
    np.testing.assert_allclose(loss, method.loss_scale * np.mean(per_anchor), rtol=1e-6)
    assert abs(np.mean(per_anchor) - np.mean(losses.supcon(z, LABEL, tau=method.tau))) > 1e-3
    assert "infonce_bound" not in metrics and "infonce_bound" in uncapped_metrics(z)


def uncapped_metrics(z):
    method = made("supcon")
    return compiled(method)({"final": z}, (), batch_of(method), STEP, KEY)[2]


@pytest.mark.parametrize("cap", [1, -2])
def test_a_cap_that_is_no_number_of_images_is_refused(cap):
    with pytest.raises(InputError, match=f"positives_cap is {cap}: give a multiple of the 2 views, or -1"):
        experiment("supcon", method={"positives_cap": cap})


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
