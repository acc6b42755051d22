"""From device memory or from the host: the same batches, and the same training."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import trial

from contrastive_jax.data.batches import global_batch
from contrastive_jax.data.order import Order
from contrastive_jax.data.resident import fits, resident, take
from contrastive_jax.data.samplers import Uniform
from contrastive_jax.parallel.mesh import batch_sharding, make_mesh
from contrastive_jax.train import feed
from contrastive_jax.train.checkpoint import Checkpoints
from contrastive_jax.train.feed import dispatches
from contrastive_jax.train.loop import Periods, train
from contrastive_jax.train.metrics import MetricWriter
from contrastive_jax.train.step import compile_steps, gradient_norms
from contrastive_jax.train.stop import StopRequest


@pytest.mark.parametrize("devices", [1, 8])
def test_resident_batches_are_those_of_the_host(devices):
    tiny = trial("selfcon_s", devices)
    data = resident(tiny.data, tiny.mesh)
    assert {shard.data.shape[0] for shard in data.image.addressable_shards} == {-(-len(tiny.data) // devices)}
    rows = Order(Uniform(), tiny.data.labels, 3, 16).at(5)
    with jax.set_mesh(tiny.mesh):
        found = jax.jit(lambda data, rows: take(data, rows, tiny.mesh))(data, rows)
    expected = global_batch(tiny.data, rows, batch_sharding(tiny.mesh))
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype
        assert found[name].sharding.is_equivalent_to(array.sharding, array.ndim)


@pytest.mark.parametrize("devices", [1, 8])
def test_many_steps_in_one_program_train_as_single_ones(devices):
    tiny = trial("selfcon_s", devices)
    order = Order(Uniform(), tiny.data.labels, 0, 16)
    steps = compile_steps(tiny.training, resident(tiny.data, tiny.mesh), seed=0)
    many, seen = steps(tiny.state(), np.stack([order.at(n) for n in range(4)]))
    single, alone = tiny.state(), []
    for n in range(4):
        single, metrics = tiny.step(single, global_batch(tiny.data, order.at(n), batch_sharding(tiny.mesh)))
        alone.append(metrics)
    assert int(many.step) == 4 and seen["loss"].shape == (4,)
    for name in seen:
        expected = np.concatenate([metrics[name] for metrics in alone])
        np.testing.assert_allclose(seen[name], expected, rtol=5e-3, atol=1e-5, err_msg=name)
    for a, b in zip(jax.tree.leaves(many.params), jax.tree.leaves(single.params)):
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-5)


class Recorder(Checkpoints, MetricWriter, StopRequest):
    """Stands in for the step, checkpoints, writer and signals, and writes down what happens."""

    def __init__(self, stop_at=None):
        self.stop_at = stop_at
        self.dispatches, self.saved, self.reports = [], [], []

    def step(self, state, rows):
        first, count = int(state.step), len(rows)
        assert list(rows[:, 0]) == list(range(first, first + count)), "the rows are those of the steps"
        self.dispatches.append((first, count))
        values = jnp.arange(first + 1.0, first + count + 1)
        return state._replace(step=first + count), {"loss": values, "gradient_norm": values}

    def latest(self):
        return None

    def due(self, step):
        return step % 8 == 0

    def save(self, state):
        self.saved.append(int(state.step))

    def reached(self):
        return int(self.dispatches[-1][0]) + self.dispatches[-1][1] == self.stop_at

    def advance(self, steps=1):
        pass

    def write(self, step, metrics):
        self.reports.append((step, metrics["loss"], metrics.get("rankme")))
        return metrics


PERIODS = Periods(log=4, save=8, look=8)


def trained(recorder, first, periods=PERIODS):
    rows = dispatches(lambda step: np.full(16, step), first=first, total=14, at_once=4)
    return train(
        recorder.step,
        rows,
        trial("selfcon_s", 1).state()._replace(step=first),
        total_steps=14,
        periods=periods,
        monitor=lambda state: {"rankme": 7.0},
        checkpoints=recorder,
        writer=recorder,
        stop=recorder,
    )


@pytest.mark.parametrize("first", [0, 2])
def test_loop_reports_and_saves_on_the_boundaries_of_dispatches(first):
    recorder = Recorder()
    trained(recorder, first)
    begin = [(0, 4)] if first == 0 else [(2, 2)]
    assert recorder.dispatches == [*begin, (4, 4), (8, 4), (12, 2)]
    assert recorder.saved == [8, 14]
    first_mean = 2.5 if first == 0 else 3.5
    assert recorder.reports == [(4, first_mean, None), (8, 6.5, 7.0), (12, 10.5, None), (14, 13.5, 7.0)]


def test_loop_saves_the_dispatch_that_a_signal_interrupts():
    recorder = Recorder(stop_at=12)
    state, _ = trained(recorder, 0)
    assert int(state.step) == 12 and recorder.saved == [8, 12]
    assert recorder.dispatches == [(0, 4), (4, 4), (8, 4)]
    assert recorder.reports[-1] == (12, 10.5, None), "the monitor does not hold up the stop"


def test_loop_without_periods_reports_and_saves_the_end():
    recorder = Recorder()
    recorder.due = lambda step: False
    trained(recorder, 0, Periods(log=0, save=0, look=0))
    assert recorder.saved == [14] and recorder.reports == [(14, 7.5, None)]


def test_steps_at_once_divide_every_period(monkeypatch):
    assert feed.steps_at_once(100, 50) == 1, "XLA:CPU runs loops on one core"
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert feed.steps_at_once(1950, 50) == 25
    assert feed.steps_at_once(1950, 50, 390) == 10
    assert feed.steps_at_once(7) == 7
    assert feed.steps_at_once(97, 50) == 1
    assert feed.steps_at_once() == 32


def test_what_is_too_large_is_not_kept_on_the_device():
    mesh = make_mesh()
    assert fits(2**20, mesh) and not fits(2**40, mesh)


def test_gradient_norms_by_block():
    gradient = {
        "encoder": {
            "stem": {"conv": np.full(4, 2.0)},
            "block1": {"unit1": {"a": np.ones(9), "b": np.zeros(3)}},
        },
        "head_final": {"output": np.full(1, 12.0)},
    }
    found = gradient_norms(gradient)
    assert found["gradient_norm/encoder/stem"] == 4 and found["gradient_norm/encoder/block1"] == 3
    assert found["gradient_norm/head_final"] == 12 and found["gradient_norm"] == 13
