"""Schedules and optimizers against loops written from the papers' codes."""

import math
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from contrastive_jax.errors import InputError
from contrastive_jax.train import optimizers, schedules
from contrastive_jax.train.schedules import Constant, Cosine, Exponential, Step

GOLDEN = pathlib.Path(__file__).parent.parent / "golden" / "losses" / "schedules"
PARAMS = {
    "conv": {"kernel": jnp.full((2, 3), 2.0), "bias": jnp.full(3, 2.0)},
    "norm": {"scale": jnp.full(3, 2.0)},
}


def rates(schedule, peak, steps, **sizes):
    return np.asarray(schedule.schedule(peak, **sizes)(jnp.arange(steps)))


def test_supcontrast_cosine_with_warmup(x64):
    """Epochs count from 1; the warm-up leads to the cosine's value at its last epoch."""
    epochs, batches, lr, rate, warm = 30, 5, 0.5, 0.1, 10
    floor = lr * rate**3
    value = lambda epoch: floor + (lr - floor) * (1 + math.cos(math.pi * epoch / epochs)) / 2  # noqa: E731
    expected = []
    for epoch in range(1, epochs + 1):
        for batch in range(batches):
            share = (batch + (epoch - 1) * batches) / (warm * batches)
            expected.append(0.01 + share * (value(warm) - 0.01) if epoch <= warm else value(epoch))
    schedule = Cosine(
        warmup_epochs=warm, warmup_from=0.01, final_fraction=rate**3, per="epoch_end", spans="all_epochs"
    )
    ours = rates(schedule, lr, epochs * batches, epochs=epochs, steps_per_epoch=batches)
    np.testing.assert_allclose(ours, expected, rtol=1e-12)


def test_step_decays_after_the_milestone(x64):
    expected = [0.05 * 0.1 ** sum(epoch > m for m in (2, 4)) for epoch in range(1, 7) for _ in range(3)]
    ours = rates(Step((2, 4), 0.1), 0.05, 18, epochs=6, steps_per_epoch=3)
    np.testing.assert_allclose(ours, expected, rtol=1e-12)


def test_moco_v3_pretraining(x64):
    """lr * epoch / warm-up epochs, then a cosine over the rest; the epoch is fractional."""
    epochs, warm, batches = 10, 2, 7
    expected = []
    for epoch in (step / batches for step in range(epochs * batches)):
        after = 0.5 * (1 + math.cos(math.pi * (epoch - warm) / (epochs - warm)))
        expected.append(0.6 * (epoch / warm if epoch < warm else after))
    ours = rates(Cosine(warmup_epochs=warm), 0.6, 70, epochs=epochs, steps_per_epoch=batches)
    np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.skipif(not GOLDEN.exists(), reason="the golden cases of the losses are not there")
def test_rates_of_sdssl_and_byol(x64):
    with np.load(GOLDEN / "sdssl_schedules_e10_it7.npz") as case:
        ours = Cosine(warmup_epochs=2, warmup_endpoint=True).schedule(6e-4, epochs=10, steps_per_epoch=7)
        np.testing.assert_allclose(ours(case["in_step"]), case["out_lr"], rtol=1e-9, atol=1e-15)
    with np.load(GOLDEN / "byol_schedules_50.npz") as case:
        peak = schedules.scaled_peak(0.2, "linear", batch_size=512)
        ours = Cosine(warmup_epochs=5).schedule(peak, epochs=50, steps_per_epoch=1)
        np.testing.assert_allclose(ours(case["in_step"]), case["out_lr"], rtol=1e-5, atol=1e-8)


def test_exponential_after_warmup(x64):
    schedule = Exponential(decay=0.9, epochs_per_decay=0.5, warmup_epochs=1.0, warmup_from=0.1)
    ours = rates(schedule, 1.0, 12, epochs=3, steps_per_epoch=4)
    expected = [0.1, 0.325, 0.55, 0.775, 1, 1, 0.9, 0.9, 0.81, 0.81, 0.729, 0.729]
    np.testing.assert_allclose(ours, expected, rtol=1e-12)


@pytest.mark.parametrize("warmup", [0.0, 2.0])
@pytest.mark.parametrize("cls", [Constant, Cosine, Step, Exponential])
def test_traced_steps_and_peaks(cls, warmup):
    """Under jit, with a traced peak, past the end and without an error at any step."""
    schedule = cls(warmup_epochs=warmup)
    build = lambda peak: schedule.schedule(peak, epochs=5, steps_per_epoch=2.5)  # noqa: E731
    eager = jnp.stack([build(0.5)(step) for step in range(20)])
    traced = jax.jit(jax.vmap(lambda peak, step: build(peak)(step), (None, 0)))(
        jnp.float32(0.5), jnp.arange(20)
    )
    np.testing.assert_allclose(traced, eager, rtol=1e-5, atol=1e-7)
    assert np.all(np.isfinite(eager)) and np.all(eager >= 0) and np.max(eager) <= 0.5 + 1e-6


def test_fractional_epochs_are_counted_exactly():
    """50,000 / 512 steps per epoch: epoch 60 begins at step 5860 (5859.375 rounded up)."""
    ours = Step((60,), 0.1).schedule(1.0, epochs=100, steps_per_epoch=50000 / 512)
    np.testing.assert_allclose([ours(5859), ours(5860)], [1.0, 0.1], rtol=1e-6)
    assert schedules.whole_steps(100, 50000 / 1000 / 3 * 3) == 5000


def test_scaling_rules():
    assert schedules.scaled_peak(0.1, "none", batch_size=1024) == 0.1
    assert schedules.scaled_peak(0.1, "linear", batch_size=1024) == pytest.approx(0.4)
    assert schedules.scaled_peak(0.075, "sqrt", batch_size=4096, reference=1) == pytest.approx(4.8)


@pytest.mark.parametrize(
    "wrong, near",
    [
        (lambda: schedules.scaled_peak(1.0, "liner", batch_size=1), "linear"),
        (lambda: Cosine(per="steps"), "step"),
        (lambda: optimizers.SGD(decay="kernel"), "kernels"),
        (lambda: optimizers.LARS(trust_on="gradients"), "gradient"),
    ],
)
def test_wrong_names_are_refused_with_the_nearest(wrong, near):
    with pytest.raises(InputError, match=f"'{near}'"):
        wrong()


@pytest.mark.parametrize("cls", [optimizers.SGD, optimizers.LARS, optimizers.AdamW, optimizers.RMSProp])
@pytest.mark.parametrize(
    "fields, moved",
    [
        (dict(decay="all"), {"conv/kernel", "conv/bias", "norm/scale"}),
        (dict(decay="kernels"), {"conv/kernel"}),
        (dict(decay="all", exclude=("bias$", "norm/")), {"conv/kernel"}),
        (dict(decay="all", weight_decay=0.0), set()),
    ],
)
def test_weight_decay_reaches_the_chosen_parameters(cls, fields, moved):
    """With a zero gradient only the decay moves a parameter, towards zero."""
    transform = cls(**(dict(weight_decay=0.1) | fields)).transform(optax.constant_schedule(0.1))
    updates, _ = transform.update(jax.tree.map(jnp.zeros_like, PARAMS), transform.init(PARAMS), PARAMS)
    leaves = jax.tree_util.tree_leaves_with_path(updates)
    names = {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}
    assert {name for name, leaf in names.items() if np.any(leaf != 0)} == moved
    assert all(np.all(leaf <= 0) for leaf in names.values())


def test_torch_sgd():
    """Decay enters the gradient before the momentum."""
    transform = optimizers.SGD(momentum=0.9, weight_decay=0.1).transform(lambda step: 0.5 / (1 + step))
    w, buffer, params = 1.0, 0.0, {"w": jnp.ones(())}
    state = transform.init(params)
    for step, g in enumerate((0.3, -0.2, 0.7)):
        buffer = 0.9 * buffer + g + 0.1 * w
        w -= 0.5 / (1 + step) * buffer
        updates, state = transform.update({"w": jnp.float32(g)}, state, params)
        params = optax.apply_updates(params, updates)
    np.testing.assert_allclose(params["w"], w, rtol=1e-6)


def test_adamw_decays_apart_from_the_moments():
    gradient = jax.tree.map(lambda p: 0.1 * jnp.arange(1.0, p.size + 1).reshape(p.shape), PARAMS)
    ours = optimizers.AdamW(weight_decay=0.2, decay="all").transform(optax.constant_schedule(0.01))
    updates, _ = ours.update(gradient, ours.init(PARAMS), PARAMS)
    for update, g, p in zip(*map(jax.tree.leaves, (updates, gradient, PARAMS))):
        np.testing.assert_allclose(update, -0.01 * (jnp.sign(g) + 0.2 * p), rtol=1e-4)
