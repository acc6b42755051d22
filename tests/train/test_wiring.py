"""Every value that travels to the step arrives: a different one gives a different, known result."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from recording import SLOPE, Recording
from tiny import BATCH, experiment

from contrastive_jax.augment.views import Recipe
from contrastive_jax.methods import Collections
from contrastive_jax.parallel.mesh import make_mesh
from contrastive_jax.train import step as step_module
from contrastive_jax.train.optimizers import SGD
from contrastive_jax.train.schedules import Cosine
from contrastive_jax.train.state import create
from contrastive_jax.train.step import Training, compile_step, train_step

SCHEDULE = Cosine().schedule(0.5, epochs=1, steps_per_epoch=10)
RECIPE = Recipe(mean=(0.3,), std=(0.4,), crop_scale=(0.3, 1.0))


def training(micro_batches=1, method=Recording()):  # noqa: B008 (frozen)
    optimizer = SGD(momentum=0.0).transform(SCHEDULE)
    return Training(method, optimizer, SCHEDULE, RECIPE, make_mesh(jax.devices()[:1]), micro_batches)


def start(setting, step=0):
    state = create(setting.method, setting.optimizer, 0, (8, 8, 1), setting.mesh)
    return state._replace(step=jnp.asarray(step, jnp.int32))


def batch():
    image = np.random.default_rng(0).integers(0, 256, (BATCH, 8, 8, 1), np.uint8)
    return {"image": jnp.asarray(image), "label": jnp.arange(BATCH) % 4, "index": jnp.arange(BATCH)}


@functools.cache
def program():
    return jax.jit(functools.partial(train_step, training()))


def run(step=0, seed=0):
    """The state and the metrics after one step from a fresh state at `step`."""
    return program()(start(training(), step), batch(), np.uint32(seed))


def test_equal_images_get_other_views_at_another_step_and_seed():
    first, again = (run(3, 7)[1]["view"] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert not np.any(first[:, 0] == first[:, 1]), "the views of an image are equal"
    for other in (run(4, 7), run(3, 8)):
        assert np.mean(first == other[1]["view"]) < 0.1


def test_no_two_draws_share_a_key(monkeypatch):
    """Augmentation, networks and loss, at two steps of two seeds: twelve keys."""

    def add_views(recipe, batch, key, n_views):
        view = jnp.zeros((BATCH, n_views, 8, 8, 1))
        return {**batch, "view": view, "augment_key": jnp.full(BATCH, jax.random.uniform(key))}

    monkeypatch.setattr(step_module, "add_views", add_views)
    once = jax.jit(functools.partial(train_step, training()))

    def keys(step, seed):
        _, found = once(start(training(), step), batch(), np.uint32(seed))
        return [np.ravel(found[f"{name}_key"])[0] for name in ("augment", "embed", "loss")]

    drawn = [key for step in (0, 1) for seed in (0, 1) for key in keys(step, seed)]
    assert len(set(drawn)) == 12
    assert keys(1, 1) == drawn[-3:]


@pytest.mark.parametrize("step", [0, 7])
def test_the_step_reaches_loss_and_after_update(step):
    state, metrics = run(step)
    assert metrics["step"] == state.method_state.loss_step == state.method_state.update_step == step
    assert state.step == step + 1
    np.testing.assert_array_equal(state.method_state.params, state.params["w"])


def test_the_rate_of_this_step_is_applied_and_logged():
    state, rates = start(training()), []
    for step in range(4):
        before = state.params["w"]
        state, metrics = program()(state, batch(), np.uint32(0))
        rates.append(0.5 * (1 + np.cos(np.pi * step / 10)) / 2)
        np.testing.assert_allclose(metrics["learning_rate"], rates[-1], rtol=1e-6)
        np.testing.assert_allclose(before - state.params["w"], rates[-1] * SLOPE, rtol=1e-4)
        np.testing.assert_allclose(metrics["gradient_norm"], np.linalg.norm(SLOPE), rtol=1e-6)
    assert len(set(rates)) == 4


def test_the_loss_that_is_logged_is_the_one_that_is_trained():
    double = training(method=Recording(loss_scale=2.0))
    _, metrics = jax.jit(functools.partial(train_step, double))(start(double), batch(), np.uint32(0))
    np.testing.assert_allclose(metrics["loss"], 2 * np.sum(SLOPE))
    np.testing.assert_allclose(metrics["gradient_norm"], 2 * np.linalg.norm(SLOPE), rtol=1e-6)


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_micro_batches_reach_the_networks_and_step_and_keys_the_loss(parts):
    setting, seed = training(parts), np.uint32(0)
    with jax.set_mesh(setting.mesh):
        state, metrics = jax.jit(functools.partial(train_step, setting))(start(setting, 7), batch(), seed)
    np.testing.assert_array_equal(metrics["rows"], np.full(BATCH, BATCH / parts))
    assert len(np.unique(metrics["embed_key"])) == parts, "every part draws from a key of its own"
    assert metrics["step"] == state.method_state.loss_step == state.method_state.update_step == 7
    assert metrics["loss_key"] == run(7)[1]["loss_key"]


def test_the_seed_of_the_compiled_step_is_the_runs():
    setting = training()
    for seed in (0, 5):
        _, found = compile_step(setting, seed=seed)(start(setting), batch())
        _, expected = run(0, seed)
        np.testing.assert_array_equal(found["view"][0], expected["view"])
        assert found["loss_key"][0] == expected["loss_key"]


def test_the_seed_reaches_the_first_state():
    class Drawing(Recording):
        def init(self, key, views):
            params, *rest = super().init(key, views)
            return {"w": jax.random.normal(key, (3,))}, *rest

    setting = training(method=Drawing())
    one, again, other = (
        create(setting.method, setting.optimizer, seed, (8, 8, 1), setting.mesh).params["w"]
        for seed in (0, 0, 1)
    )
    assert np.array_equal(one, again) and not np.any(one == other)


@pytest.mark.parametrize("scaling, rate", [("none", 0.1), ("linear", 0.4), ("sqrt", 0.2)])
def test_the_rate_scales_with_the_batch_size(scaling, rate):
    fields = {"peak": 0.1, "scaling": scaling, "reference_batch": 16}
    for batch_size, expected in ((64, rate), (16, 0.1)):
        parts = experiment("supcon", batch_size=batch_size, learning_rate=fields)
        np.testing.assert_allclose(parts.learning_rate_schedule(10)(0), expected, rtol=1e-6)
    half = experiment("supcon", batch_size=64, learning_rate=fields | {"peak": 0.05})
    np.testing.assert_allclose(half.learning_rate_schedule(10)(0), rate / 2, rtol=1e-6)


@pytest.mark.parametrize(
    "epochs, batch_size, steps", [(2.0, 16, 20), (3.0, 16, 30), (2.0, 32, 10), (0.5, 16, 5)]
)
def test_epochs_and_batch_size_reach_the_number_of_steps_and_the_schedule(epochs, batch_size, steps):
    parts = experiment("byol", epochs=epochs, batch_size=batch_size, learning_rate={"peak": 0.4})
    assert parts.total_steps(160) == steps
    assert parts.method(num_classes=10, labels=np.arange(160) % 10).total_steps == steps
    schedule = parts.learning_rate_schedule(160 / batch_size)
    expected = [0.4, 0.2 * (1 + np.cos(np.pi * (steps // 2) / steps)), 0.0]
    np.testing.assert_allclose([schedule(n) for n in (0, steps // 2, steps)], expected, rtol=1e-5, atol=1e-7)


def test_what_the_program_knows_of_the_data_reaches_the_method():
    labels = np.arange(48) % 6
    parts = experiment("mcl_bank", batch_size=24)
    method = parts.method(num_classes=6, labels=labels)
    assert method.num_classes == 6 and np.array_equal(method.labels, labels)
    assert experiment("selfcon_1stage_crd").method(num_classes=6, labels=labels).examples == 48
    assert experiment("moco", batch_size=24).method(num_classes=6, labels=labels).batch_size == 24


@pytest.mark.parametrize("decay, momentum", [(0.0, 0.0), (0.5, 0.0), (0.5, 0.9)])
def test_the_optimizers_fields_reach_its_updates(decay, momentum):
    parts = experiment("supcon", optimizer={"weight_decay": decay, "momentum": momentum})
    transform = parts.transform(Recording(), optax.constant_schedule(0.1))
    params, gradient = {"w": jnp.full(3, 2.0)}, {"w": jnp.ones(3)}
    state = transform.init(params)
    first, state = transform.update(gradient, state, params)
    second, _ = transform.update(gradient, state, params)
    pull = 1 + 2 * decay
    np.testing.assert_allclose(first["w"], np.full(3, -0.1 * pull), rtol=1e-6)
    np.testing.assert_allclose(second["w"], np.full(3, -0.1 * (1 + momentum) * pull), rtol=1e-6)


def test_epochs_between_checkpoints_and_looks_become_steps():
    parts = experiment(
        "supcon", log={"every_steps": 7}, checkpoint={"every_epochs": 2.0}, monitor={"every_epochs": 0.5}
    )
    assert dataclasses.astuple(parts.periods(10)) == (7, 20, 5)
    assert dataclasses.astuple(parts.periods(20)) == (7, 40, 10)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Counting(Recording):
    """Its network counts the passes."""

    def init(self, key, views):
        params, _, state = super().init(key, views)
        return params, Collections({"batch_stats": {"passes": jnp.zeros(())}}), state

    def embed(self, params, collections, state, batch, key):
        found, _ = super().embed(params, collections, state, batch, key)
        passes = collections.network["batch_stats"]["passes"] + 1
        return found, Collections({"batch_stats": {"passes": passes}})


def test_the_networks_collections_are_those_of_the_step():
    for parts in (1, 2):
        setting = training(parts, Counting())
        with jax.set_mesh(setting.mesh):
            step = jax.jit(functools.partial(train_step, setting))
            state, _ = step(start(setting), batch(), np.uint32(0))
        assert state.collections.network["batch_stats"]["passes"] == 1
