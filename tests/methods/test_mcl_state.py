"""What MCL's cohorts remember: slots drawn by class, memories, queues and slow copies that move by the stated rule."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from by_hand import KEY, LABEL, STEP, batch_of, compiled, filled_queue, made, unit
from tiny import BATCH, Trial, experiment, trial

from contrastive_jax import losses
from contrastive_jax.errors import InputError
from contrastive_jax.losses import l2_normalize
from contrastive_jax.methods.mcl_memory import MCLBankState, MCLMoCoState, drawn_by_class, slots_by_class

LABELS = np.array([2, 0, 1, 1, 0, 2, 2, 0, 1, 2, 3], np.int32)


def test_slots_are_drawn_by_class():
    slots = slots_by_class(LABELS, 5)
    index = jnp.array([0, 1, 2, 10])
    label = jnp.asarray(LABELS)[index]
    key = jax.random.key(0)
    positives, negatives = drawn_by_class(key, slots, index, label, positives=400, negatives=2000)
    np.testing.assert_array_equal(positives[:, 0], index)
    for row, cls in enumerate(label):
        of_class = np.flatnonzero(LABELS == cls)
        assert set(np.asarray(positives[row, 1:])) == set(of_class), (
            "every slot of the class, its own included"
        )
        others = np.setdiff1d(np.arange(len(LABELS)), of_class)
        drawn, times = np.unique(negatives[row], return_counts=True)
        np.testing.assert_array_equal(drawn, others)
        assert times.min() > 0.7 * 2000 / len(others) and times.max() < 1.3 * 2000 / len(others)


def test_memory_moves_half_way_towards_the_batch_after_the_loss():
    tiny = trial("mcl_bank", 1)
    batch = tiny.batch(0)
    state = tiny.state()
    memory = jax.device_get(state.method_state.memory)
    embeddings, views = embedded(tiny, state, batch)
    _, after, _ = tiny.method.loss(embeddings, state.method_state, views, STEP, KEY)
    index = np.asarray(batch["index"])
    for name, z in embeddings["z"].items():
        expected = memory[name].copy()
        expected[index] = l2_normalize(0.5 * memory[name][index] + 0.5 * z)
        np.testing.assert_allclose(after.memory[name], expected, rtol=1e-6)


def networks(seed, dim=8):
    """Made-by-hand embeddings of two networks."""
    return {"net1": unit(seed, BATCH, dim), "net2": unit(seed + 1, BATCH, dim)}


def check_terms(metrics, expected):
    assert len({round(float(value), 4) for value in expected.values()}) == len(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(metrics[f"loss_{name}"], value, rtol=1e-5, err_msg=name)


def test_every_term_of_the_batch_is_its_loss():
    method = made("mcl", tau=0.2, soft=2.0)
    z = networks(1)
    embeddings = {"z": z, "logits": networks(3, 10)}
    _, _, metrics = compiled(method)(embeddings, (), batch_of(method), STEP, KEY)
    v, hard, soft = list(z.values()), dict(tau=0.2), dict(tau=0.2, soft=2.0)
    expected = {
        "vcl": losses.vcl(v, LABEL, **hard),
        "icl": losses.icl(v, LABEL, **hard),
        "soft_vcl": losses.soft_vcl(v, **soft),
        "soft_icl": losses.soft_icl(v, **soft),
    }
    check_terms(metrics, {name: jnp.mean(values) for name, values in expected.items()})


def test_every_term_of_the_memory_is_its_loss():
    method = made("mcl_bank", tau=0.2, soft=2.0, negatives=24, positives=2)
    z, examples = networks(1), len(method.labels)
    memory = {"net1": unit(5, examples, 8), "net2": unit(6, examples, 8)}
    slots = slots_by_class(np.asarray(method.labels), method.num_classes)
    embeddings, batch = {"z": z, "logits": networks(3, 10)}, batch_of(method)
    _, _, metrics = compiled(method)(embeddings, MCLBankState(memory, slots), batch, STEP, KEY)
    drawn = drawn_by_class(KEY, slots, batch["index"], LABEL, positives=2, negatives=24)
    given, hard, soft = (
        (list(z.values()), list(memory.values()), *drawn),
        dict(tau=0.2),
        dict(tau=0.2, soft=2.0),
    )
    expected = {
        "vcl": losses.vcl_memory(*given, **hard),
        "icl": losses.icl_memory(*given, **hard),
        "soft_vcl": losses.soft_vcl_memory(*given, **soft),
        "soft_icl": losses.soft_icl_memory(*given, **soft),
    }
    check_terms(metrics, {name: jnp.mean(values) for name, values in expected.items()})


@pytest.mark.parametrize("name", ["mcl", "mcl_bank"])
def test_networks_learn_from_each_others_logits_as_the_field_says(name):
    """In the batch and with a memory, three networks: each name is its loss."""
    forms = {
        "ensemble": losses.ensemble_distill,
        "ensemble_last": losses.ensemble_distill_last,
        "deep_mutual": losses.deep_mutual,
        "collaborative": losses.collaborative,
    }
    off = dict(vcl=0.0, soft_vcl=0.0, icl=0.0, soft_icl=0.0, cross_entropy=0.0)
    logits = {f"net{i}": 3 * unit(i, BATCH, 10) for i in (1, 2, 3)}
    embeddings = {"z": {net: unit(7, BATCH, 8) for net in logits}, "logits": logits}
    values = set()
    for form, loss in forms.items():
        method = made(name, networks=3, distillation=form, distillation_weight=0.5, **off)
        slots = slots_by_class(LABELS, 5)
        state = MCLBankState({net: unit(5, 64, 8) for net in logits}, slots) if name == "mcl_bank" else ()
        value, _, _ = method.loss(embeddings, state, batch_of(method), STEP, KEY)
        np.testing.assert_allclose(value, 0.5 * jnp.mean(loss(list(logits.values()))), rtol=1e-5)
        values.add(round(float(value), 5))
    assert len(values) == len(forms)


def test_every_term_of_the_queues_is_its_loss():
    method = made("mcl_moco", tau=0.2, soft=2.0)
    q, k = networks(1), networks(3)
    queue = {"net1": filled_queue(32, 8, at=0), "net2": filled_queue(32, 8, at=0)._replace(z=unit(9, 32, 8))}
    _, _, metrics = compiled(method)(
        {"query": q, "key": k}, MCLMoCoState({}, queue), batch_of(method), STEP, KEY
    )
    given = (list(q.values()), list(k.values()), [entries.z for entries in queue.values()])
    hard, soft = dict(tau=0.2), dict(tau=0.2, soft=2.0)
    expected = {
        "vcl": losses.vcl_moco(*given, **hard),
        "icl": losses.icl_moco(*given, **hard),
        "soft_vcl": losses.soft_vcl_moco(*given, **soft),
        "soft_icl": losses.soft_icl_moco(*given, **soft),
    }
    check_terms(metrics, {name: jnp.mean(values) for name, values in expected.items()})


def test_slow_copies_follow_and_queues_take_the_keys():
    tiny = trial("mcl_moco", 1)
    before = jax.device_get(tiny.state())
    after, _ = tiny.step(tiny.state(), tiny.batch(0))
    assert tiny.method.teacher_momentum == 0.9
    expected = jax.tree.map(
        lambda old, new: 0.9 * old + 0.1 * new, before.params, jax.device_get(after.params)
    )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7),
        after.method_state.teacher,
        expected,
    )
    for name, queue in after.method_state.queue.items():
        assert int(queue.at) == 16
        np.testing.assert_array_equal(queue.z[16:], before.method_state.queue[name].z[16:])
        assert not np.array_equal(queue.z[:16], before.method_state.queue[name].z[:16])
        np.testing.assert_allclose(np.linalg.norm(queue.z, axis=1), 1, rtol=1e-5)


def test_any_subset_of_the_terms_can_be_trained():
    whole = trial("mcl", 1)
    state, batch = whole.state(), whole.batch(0)
    embeddings, views = embedded(whole, state, batch)

    def loss(**weights):
        method = dataclasses.replace(whole.method, **weights)
        value, _, metrics = method.loss(embeddings, state.method_state, views, STEP, KEY)
        return float(value), metrics

    none = dict(vcl=0.0, soft_vcl=0.0, icl=0.0, soft_icl=0.0)
    ce, metrics = loss(**none)
    assert "loss_vcl" not in metrics and ce == float(metrics["loss_cross_entropy"])
    parts = [loss(**none | {name: 1.0}, cross_entropy=0.0)[0] for name in none]
    together = loss(**dict.fromkeys(none, 1.0))[0]
    np.testing.assert_allclose(together, ce + sum(parts), rtol=1e-5)
    for name in ("ensemble", "ensemble_last", "deep_mutual", "collaborative"):
        value, metrics = loss(**none, distillation=name)
        np.testing.assert_allclose(value, ce + metrics["loss_distillation"], rtol=1e-6)


@pytest.mark.slow
def test_peers_of_other_families_train_together():
    tiny = Trial("mcl", 1, 0, method={"networks": 2, "peers": ("resnet8",)})
    state, metrics = tiny.run(1)
    assert np.isfinite(metrics[0]["loss"])
    sizes = {
        name: sum(x.size for x in jax.tree.leaves(state.params["cohort"][name])) for name in ("net1", "net2")
    }
    assert sizes["net2"] > 100 * sizes["net1"]


def test_wrong_cohorts_are_refused():
    with pytest.raises(InputError, match="names 1 networks beside the first"):
        Trial("mcl", 1, 0, method={"networks": 3, "peers": ("resnet8",)}).state()
    with pytest.raises(InputError, match="distillation is 'ensembel': did you mean 'ensemble'"):
        experiment("mcl", method={"distillation": "ensembel"})
    with pytest.raises(InputError, match="distillation is 'colaborative': did you mean 'collaborative'"):
        experiment("mcl_bank", method={"distillation": "colaborative"})


def embedded(tiny, state, batch):
    """Embeddings of random views, and the batch with these views."""
    views = {**batch, "view": jax.random.uniform(jax.random.key(1), (16, 1, 8, 8, 1))}
    run = jax.jit(tiny.method.embed)
    return run(state.params, state.collections, state.method_state, views, jax.random.key(2))[0], views
