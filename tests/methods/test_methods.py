"""Conformance of every file in `methods/`, found by its name, on a tiny network."""

import dataclasses

import jax
import numpy as np
import pytest
from jax.sharding import PartitionSpec
from tiny import METHODS, Session, session

from contrastive_jax.train import state as train_state
from contrastive_jax.train.checkpoint import Checkpoints

QUICK = {"supcon", "selfcon_s", "sdssl_moco_v3", "mcl"}
"""The main rows; the others are long proofs."""
SHUFFLED = {"moco", "mcl_moco"}


@pytest.fixture(
    scope="module", params=[m if m in QUICK else pytest.param(m, marks=pytest.mark.slow) for m in METHODS]
)
def name(request):
    return request.param


def test_one_device_equals_eight(name):
    one, seen_by_one = session(name, 1).run(3)
    eight, seen_by_eight = session(name, 8).run(3)
    for a, b in zip(seen_by_one, seen_by_eight):  # few steps: a network this small amplifies rounding
        np.testing.assert_allclose(a["loss"], b["loss"], rtol=2e-5)
        np.testing.assert_allclose(a["gradient_norm"], b["gradient_norm"], rtol=1e-3)
    assert int(eight.step) == 3
    moved = jax.tree.map(lambda a, b: np.max(np.abs(a - b)), one.params, session(name, 1).state().params)
    assert max(jax.tree.leaves(moved)) > 1e-3, "three steps moved nothing"
    for a, b in zip(jax.tree.leaves((one.params, one.extra)), jax.tree.leaves((eight.params, eight.extra))):
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-5)


def test_step_keeps_structure_shapes_types_and_sharding(name):
    tiny = session(name, 8)
    before = tiny.state()
    description = jax.tree.map(lambda x: (x.shape, x.dtype), before)
    after, metrics = tiny.step(before, tiny.batch(0))
    assert jax.tree.map(lambda x: (x.shape, x.dtype), after) == description
    for leaf in jax.tree.leaves(after):
        assert leaf.sharding.spec == PartitionSpec() and len(leaf.sharding.device_set) == 8
    assert all(np.isfinite(value) for value in jax.tree.leaves(jax.device_get(metrics)))


def test_saved_and_restored_it_ends_with_the_same_bits(name, tmp_path):
    tiny = session(name, 1)
    whole, _ = tiny.run(4)
    half, _ = tiny.run(2)
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(half)
    state = checkpoints.restore(tiny.state())
    checkpoints.close()
    for number in (2, 3):
        state, _ = tiny.step(state, tiny.batch(number))
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(state), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_micro_batched_equals_whole(name):
    if name in SHUFFLED:
        pytest.skip("its keys pass BatchNorm in another order, drawn within each micro-batch")
    grouped = dict(network={"norm_group": 4})
    runs = (Session(name, 1, 0, **grouped), Session(name, 1, 0, micro_batches=2, **grouped))
    whole, parts = (tiny.step(tiny.state(), tiny.batch(0))[1] for tiny in runs)
    np.testing.assert_allclose(parts["loss"], whole["loss"], rtol=1e-4)
    np.testing.assert_allclose(parts["gradient_norm"], whole["gradient_norm"], rtol=2e-3)


def test_step_compiles_once(name, monkeypatch):
    tiny = Session(name, 1, 0)
    traces = []
    original = type(tiny.method).loss
    monkeypatch.setattr(
        type(tiny.method), "loss", lambda self, *args: traces.append(1) or original(self, *args)
    )
    tiny.run(3)
    assert len(traces) == 1


def test_gradients_are_finite_when_all_images_are_equal(name):
    tiny = session(name, 1)
    batch = tiny.batch(0)
    batch = {**batch, "image": 0 * batch["image"], "label": 0 * batch["label"]}
    state, metrics = tiny.step(tiny.state(), batch)
    assert np.isfinite(metrics["loss"]) and np.isfinite(metrics["gradient_norm"])
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(state.params))


def test_same_seed_same_bits_other_seed_other_bits(name):
    first, again = session(name, 1).run(2)[0], session(name, 1).run(2)[0]
    other = session(name, 1, 1).run(2)[0]
    leaves = [jax.tree.leaves(s.params) for s in (first, again, other)]
    assert all(np.array_equal(a, b) for a, b in zip(leaves[0], leaves[1]))
    assert not all(np.array_equal(a, b) for a, b in zip(leaves[0], leaves[2]))


def test_features_of_evaluation_do_not_depend_on_the_batch(name):
    tiny = session(name, 1)
    state = tiny.state()
    images = jax.random.uniform(jax.random.key(0), (4, 8, 8, 1))
    features = jax.jit(tiny.method.features)
    together = features(state.params, state.extra, images)
    alone = features(state.params, state.extra, images[:1])
    assert "final" in together
    for exit, found in together.items():
        np.testing.assert_allclose(found[:1], alone[exit], rtol=1e-5, atol=1e-6)


def test_methods_are_frozen_dataclasses_with_documented_fields(name):
    method = session(name, 1).method
    assert dataclasses.is_dataclass(method) and type(method).__doc__ and method.views >= 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        method.tau = 1.0


def test_state_is_a_function_of_the_seed_alone():
    one, eight = session("supcon", 1).state(), session("supcon", 8).state()
    assert all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(eight)))
    assert isinstance(one, train_state.TrainState)


def test_bfloat16_is_for_computation_alone():
    half, full = Session("selfcon_s", 1, 0, precision="bfloat16"), session("selfcon_s", 1)
    state, metrics = half.run(2)
    assert {leaf.dtype for leaf in jax.tree.leaves((state.params, state.extra))} == {np.dtype("float32")}
    reference = full.run(2)[1]
    assert metrics[0]["loss"] != reference[0]["loss"], "nothing was computed in bfloat16"
    np.testing.assert_allclose(metrics[0]["loss"], reference[0]["loss"], rtol=0.02)
