"""What every loss has to satisfy, one table for all: see `loss_table`.

Oracle in value and gradient, eager = compiled = sharded over eight devices, dense = streamed, invariance to
the order of the batch and to rotation, and finite values and gradients at every degenerate input.
"""

import functools

import jax
import jax.numpy as jnp
import loss_table
import loss_table_papers
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

SPECS = loss_table.SPECS + loss_table_papers.SPECS
# One loss per kind of arithmetic always; all of them in the long run.
ALWAYS = {"supcon", "supcon_bank", "selfcon_m", "decoupled_nt_xent", "icl", "soft_vcl", "sd_simclr", "moco"}
TAU = 0.3
FAST = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
every_loss = pytest.mark.parametrize("spec", SPECS, ids=[s.name for s in SPECS])
some_losses = pytest.mark.parametrize(
    "spec", [pytest.param(s, id=s.name, marks=[] if s.name in ALWAYS else [pytest.mark.slow]) for s in SPECS]
)


@every_loss
def test_oracle(spec, x64):
    """Compiled dense values equal the loops; the gradient is their slope."""
    check_oracle(spec, "dense")


@some_losses
def test_streamed(spec, x64):
    """So do streamed ones, where the loss takes an implementation."""
    check_oracle(spec, "blockwise")


@some_losses
def test_eager(spec, x64):
    """And uncompiled ones."""
    arrays = spec.make()
    eager = spec.ours(jax.tree.map(jnp.asarray, arrays), TAU, "dense")
    np.testing.assert_allclose(eager, spec.oracle(arrays, arrays, TAU), rtol=1e-9, atol=1e-11)


def check_oracle(spec, impl):
    arrays = spec.make()
    oracle = spec.oracle(arrays, arrays, TAU)
    weights = np.random.default_rng(9).normal(size=oracle.shape)
    value, gradient = compiled(spec, impl)(arrays, TAU, weights)
    np.testing.assert_allclose(value, oracle, rtol=1e-9, atol=1e-11)
    assert slope(spec, arrays, weights) == pytest.approx(
        directional(spec, arrays, gradient), rel=1e-5, abs=1e-7
    )


@every_loss
def test_sharded(spec):
    """On eight devices: the oracle's values, whatever the order of the batch and the basis of the space."""
    arrays = in_float32(spec.make())
    run = compiled(spec, "auto")
    oracle = spec.oracle(spec.make(), spec.make(), TAU)
    weights = np.random.default_rng(9).normal(size=oracle.shape).astype(np.float32)
    value, gradient = run(sharded(arrays), TAU, weights)
    np.testing.assert_allclose(value, oracle, rtol=2e-4, atol=2e-5)
    alone, gradient_alone = run(arrays, TAU, weights)
    np.testing.assert_allclose(alone, value, rtol=2e-5, atol=2e-6)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-5), gradient, gradient_alone
    )
    for name, changed, expected in invariances(spec, arrays, oracle):
        np.testing.assert_allclose(
            run(changed, TAU, weights)[0], expected, rtol=5e-4, atol=5e-5, err_msg=name
        )


@every_loss
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16], ids=["float32", "bfloat16"])
def test_degenerate(spec, dtype):
    """Finite value and gradient, in float32 or wider, at inputs that make naive code divide 0 by 0."""
    run = compiled(spec, "auto")
    weights = np.ones_like(spec.oracle(spec.make(), spec.make(), TAU), np.float32)
    for name, arrays, tau in degenerate(spec):
        arrays = {n: a if is_integer(a) else a.astype(dtype) for n, a in arrays.items()}
        value, gradient = run(arrays, tau, weights)
        assert value.dtype == jnp.float32, f"{name}: computed in {value.dtype}"
        assert np.isfinite(value).all(), f"{name}: value {value}"
        assert all(np.isfinite(np.asarray(g, np.float32)).all() for g in gradient.values()), (
            f"{name}: gradient"
        )


@functools.cache
def compiled(spec, impl):
    """(arrays, tau, weights) -> values, gradients of the weighted sum in all embeddings; compiled."""

    def weighted(smooth, fixed, tau, weights):
        value = spec.ours(smooth | fixed, tau, impl)
        return jnp.sum(value * weights), value

    step = jax.jit(jax.grad(weighted, has_aux=True), compiler_options=FAST)

    def run(arrays, tau, weights):
        smooth = {n: a for n, a in arrays.items() if not is_integer(a)}
        gradient, value = step(smooth, {n: a for n, a in arrays.items() if n not in smooth}, tau, weights)
        return value, gradient

    return run


def directional(spec, arrays, gradient):
    return sum(float(np.sum(np.asarray(gradient[n]) * d)) for n, d in direction(spec, arrays).items())


def slope(spec, arrays, weights, step=1e-6):
    """Central difference of the oracle's weighted sum along `direction`; what the loss detaches stays."""
    moved = [
        arrays | {n: arrays[n] + sign * step * d for n, d in direction(spec, arrays).items()}
        for sign in (1, -1)
    ]
    up, down = (np.sum(spec.oracle(x, arrays, TAU) * weights) for x in moved)
    return (up - down) / (2 * step)


def direction(spec, arrays):
    rng = np.random.default_rng(3)
    return {n: rng.normal(size=a.shape) for n, a in arrays.items() if not is_integer(a) and n not in ("w",)}


def invariances(spec, arrays, expected):
    if not spec.ordered:
        order = np.random.default_rng(4).permutation(loss_table.SAMPLES)
        yield "permuted", {n: a[order] if per_sample(a) else a for n, a in arrays.items()}, expected[order]
    for names in spec.spaces:
        dim = arrays[names[0]].shape[-1]
        turn = np.linalg.qr(np.random.default_rng(6).normal(size=(dim, dim)))[0].astype(np.float32)
        yield f"rotated {names}", arrays | {n: arrays[n] @ turn for n in names}, expected


def degenerate(spec):
    arrays = spec.make()
    smooth = {n: a for n, a in arrays.items() if not is_integer(a)}
    yield "as it is", arrays, TAU
    yield "low temperature", arrays, 0.01
    yield "all equal", arrays | {n: np.broadcast_to(a[:1], a.shape) for n, a in smooth.items()}, 0.01
    yield "a zero vector", arrays | {n: np.concatenate([0 * a[:1], a[1:]]) for n, a in smooth.items()}, TAU
    yield "all zero", arrays | {n: 0 * a for n, a in smooth.items()}, TAU
    if "label" in arrays:
        one = arrays | {"label": np.zeros_like(arrays["label"])}
        yield "one class", one, TAU
        classes = 5 if spec in loss_table.CLASSIFICATION else loss_table.SAMPLES
        yield "no positives", arrays | {"label": np.arange(loss_table.SAMPLES) % classes}, TAU
    if "positive" in arrays:
        yield "no positives", arrays | {"positive": 0 * arrays["positive"]}, TAU


def sharded(arrays):
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    split = {True: NamedSharding(mesh, PartitionSpec("data")), False: NamedSharding(mesh, PartitionSpec())}
    return {n: jax.device_put(a, split[per_sample(a)]) for n, a in arrays.items()}


def per_sample(array) -> bool:
    return array.shape[0] == loss_table.SAMPLES


def in_float32(arrays):
    return {n: a if is_integer(a) else a.astype(np.float32) for n, a in arrays.items()}


def is_integer(array) -> bool:
    return np.issubdtype(array.dtype, np.integer)
