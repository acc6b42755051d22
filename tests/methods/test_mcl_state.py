"""What MCL's cohorts remember: slots drawn by class, memories, queues and slow copies that move by the stated rule."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import Trial, experiment, trial

from contrastive_jax.errors import InputError
from contrastive_jax.losses import l2_normalize
from contrastive_jax.methods.mcl_memory import drawn_by_class, slots_by_class

LABELS = np.array([2, 0, 1, 1, 0, 2, 2, 0, 1, 2, 3], np.int32)
STEP = jnp.zeros((), jnp.int32)
KEY = jax.random.key(3)


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


def embedded(tiny, state, batch):
    """Embeddings of random views, and the batch with these views."""
    views = {**batch, "view": jax.random.uniform(jax.random.key(1), (16, 1, 8, 8, 1))}
    run = jax.jit(tiny.method.embed)
    return run(state.params, state.collections, state.method_state, views, jax.random.key(2))[0], views
