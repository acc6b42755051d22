"""BatchNorm's groups against loops in NumPy: values, gradients and running statistics, on one device and eight."""

import functools
import re

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from contrastive_jax.errors import InputError
from contrastive_jax.models.batch_norm import BatchNorm
from contrastive_jax.parallel.mesh import batch_sharding, make_mesh, replicated

SHAPE = (32, 3, 2, 4)


def data(dtype=jnp.float32):
    keys = jax.random.split(jax.random.key(0), 5)
    x = (
        2 * jax.random.normal(keys[0], SHAPE) + 3 * jax.random.normal(keys[1], SHAPE[-1:])[None, None, None]
    ).astype(dtype)
    weight = jax.random.normal(keys[2], SHAPE)
    params = {
        "norm": {
            "scale": 1 + jax.random.normal(keys[3], SHAPE[-1:]),
            "bias": jax.random.normal(keys[4], SHAPE[-1:]),
        }
    }
    stats = {"norm": {"mean": jnp.full(SHAPE[-1:], 0.3), "var": jnp.full(SHAPE[-1:], 1.7)}}
    return x, weight, params, stats


def oracle(x, weight, params, stats, g, momentum=0.9, epsilon=1e-5):
    """In float64: rows, gradients of sum(weight y) by x, scale and bias, and new running statistics."""
    x, weight = np.asarray(x, np.float64), np.asarray(weight, np.float64)
    scale, bias = (np.asarray(params["norm"][name], np.float64) for name in ("scale", "bias"))
    y, dx, dscale, means, variances = np.zeros_like(x), np.zeros_like(x), np.zeros_like(scale), [], []
    for start in range(0, len(x), g):
        rows = slice(start, start + g)
        for c in range(x.shape[-1]):
            part, seed = x[rows, ..., c], weight[rows, ..., c]
            mean, var = part.mean(), part.var()
            hat = (part - mean) / np.sqrt(var + epsilon)
            y[rows, ..., c] = scale[c] * hat + bias[c]
            dscale[c] += (seed * hat).sum()
            dx[rows, ..., c] = (
                scale[c] / np.sqrt(var + epsilon) * (seed - seed.mean() - hat * (seed * hat).mean())
            )
            means.append(mean)
            variances.append(var)
    found = {"mean": means, "var": variances}
    running = {
        name: momentum * np.asarray(stats["norm"][name])
        + (1 - momentum) * np.reshape(values, (-1, x.shape[-1])).mean(0)
        for name, values in found.items()
    }
    return y, (dx, {"norm": {"scale": dscale, "bias": weight.sum((0, 1, 2))}}), {"norm": running}


@functools.cache
def compiled(group, devices, dtype=jnp.float32):
    """Values, gradients and new running statistics, and the text of the compiled program."""
    mesh = make_mesh(jax.devices()[:devices])
    layer = BatchNorm(dtype=dtype, group=group)

    def loss(x, params, stats, weight):
        y, new = layer.apply({"params": params, "batch_stats": stats}, x, True, mutable=["batch_stats"])
        return jnp.sum(y.astype(jnp.float32) * weight), (y, new["batch_stats"])

    def everything(x, params, stats, weight):
        (_, (y, stats)), gradient = jax.value_and_grad(loss, (0, 1), has_aux=True)(x, params, stats, weight)
        return y, gradient, stats

    split, whole = batch_sharding(mesh), replicated(mesh)
    x, weight, params, stats = data(dtype)
    with jax.set_mesh(mesh):
        program = (
            jax.jit(
                everything,
                in_shardings=(split, whole, whole, split),
                out_shardings=(split, (split, whole), whole),
            )
            .lower(x, params, stats, weight)
            .compile()
        )
    args = jax.device_put(x, split), *jax.device_put((params, stats), whole), jax.device_put(weight, split)
    return program(*args), program.as_text()


def close(found, expected, tolerance=1e-5):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(np.asarray(a, np.float64), b, rtol=tolerance, atol=10 * tolerance)


@pytest.mark.parametrize(
    "group, devices, rows",
    [(0, 1, 32), (0, 8, 32), (-1, 1, 32), (-1, 8, 4), (4, 1, 4), (2, 8, 2), (16, 8, 16)],
)
def test_batch_norm_matches_the_formula(group, devices, rows):
    found, _ = compiled(group, devices)
    close(found, oracle(*data(), rows))


def test_the_group_changes_the_result():
    assert not np.allclose(compiled(0, 8)[0][0], compiled(-1, 8)[0][0], atol=0.1)


def test_bfloat16_inputs_have_float32_statistics():
    found, _ = compiled(2, 8, jnp.bfloat16)
    y, (dx, dparams), stats = found
    expected = oracle(*data(jnp.bfloat16), 2)
    assert y.dtype == dx.dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves((dparams, stats))} == {jnp.dtype("float32")}
    close((y, dx), (expected[0], expected[1][0]), 1e-2)
    close(stats, expected[2])  # sums in bfloat16 would be off by 0.01
    close(dparams, expected[1][1], 1e-2)


@pytest.mark.parametrize("group", [-1, 2, 4])
def test_groups_within_a_device_exchange_no_activations(group):
    """They exchange running statistics and gradients of scale and bias, all of shape [channel]."""
    text = compiled(group, 8)[1]
    assert all(shape == "f32[4]" for shape in reduced(text)), reduced(text)
    assert not re.search(r"all-gather|all-to-all|collective-permute|reduce-scatter", text)


def reduced(text: str) -> list[str]:
    """Shapes of all all-reduces in a program."""
    results = re.findall(r"= (.*?) all-reduce(?:-start)?\(", text)
    return re.findall(r"\w+\[[\d,]*\]", " ".join(results))


def test_evaluation_uses_running_statistics_for_every_group():
    x, _, params, stats = data()
    layer = BatchNorm(group=5)  # need not divide 32 rows in evaluation mode
    found = layer.apply({"params": params, "batch_stats": stats}, x, False)
    scale, bias = params["norm"]["scale"], params["norm"]["bias"]
    close(found, (np.asarray(x) - 0.3) / np.sqrt(1.7 + 1e-5) * np.asarray(scale) + np.asarray(bias))


def test_variables_and_results_equal_those_of_flax():
    class Theirs(nn.Module):
        @nn.compact
        def __call__(self, x, train):
            layer = nn.BatchNorm(use_running_average=not train, momentum=0.9, epsilon=1e-5, name="norm")
            return layer(x)

    x, _, params, stats = data()
    key = jax.random.key(0)
    mine, theirs = (jax.jit(layer.init, static_argnums=2)(key, x, True) for layer in (BatchNorm(), Theirs()))
    assert jax.tree.structure(mine) == jax.tree.structure(theirs)
    assert all(jax.tree.leaves(jax.tree.map(lambda a, b: bool((a == b).all()), mine, theirs)))
    variables = {"params": params, "batch_stats": stats}
    both = [
        jax.jit(functools.partial(layer.apply, train=True, mutable=["batch_stats"]))(variables, x)
        for layer in (BatchNorm(), Theirs())
    ]
    close(both[0], both[1], 1e-6)


def test_vectors_are_normalised_without_scale_or_bias():
    x = jax.random.normal(jax.random.key(0), (16, 5))
    layer = BatchNorm(use_scale=False, use_bias=False)
    y, variables = jax.jit(layer.init_with_output, static_argnums=2)(jax.random.key(0), x, True)
    assert not jax.tree.leaves(variables.get("params", {}))
    close((y.mean(0), y.std(0)), (np.zeros(5), np.ones(5)), 1e-4)


@pytest.mark.parametrize(
    "group, message", [(5, "groups of 5 rows"), (-2, "norm_group is -2"), (64, "groups of 64")]
)
def test_groups_that_do_not_fit_are_refused(group, message):
    x, _, params, stats = data()
    with pytest.raises(InputError, match=message):
        BatchNorm(group=group).apply(
            {"params": params, "batch_stats": stats}, x, True, mutable=["batch_stats"]
        )


def test_rows_that_the_devices_do_not_divide_are_refused():
    x, _, params, stats = data()
    with jax.set_mesh(make_mesh()), pytest.raises(InputError, match="8 devices"):
        BatchNorm(group=-1).apply(
            {"params": params, "batch_stats": stats}, x[:12], True, mutable=["batch_stats"]
        )
