"""The arithmetic of BatchNorm: sums over groups, and the ReLU of a sum of maps, against plain Flax."""

import re

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from contrastive_jax.models import affine
from contrastive_jax.models.affine import relu_sum
from contrastive_jax.models.batch_norm import BatchNorm
from contrastive_jax.parallel.mesh import batch_sharding, make_mesh

SHAPE = (32, 3, 2, 4)


def close(found, expected, tolerance=1e-5):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(np.asarray(a, np.float64), b, rtol=tolerance, atol=10 * tolerance)


@pytest.mark.parametrize("sums", [affine._joint_sums, affine._joint_sums_by_parts])
@pytest.mark.parametrize("groups, rows", [(1, 64), (4, 16), (16, 4), (2, 9)])
def test_sums_for_gpus_are_correct_and_move_no_activations(sums, groups, rows):
    """The program uses them on GPUs only; here they run on eight CPU devices."""
    mesh = make_mesh(jax.devices()[: 8 if groups * rows % 8 == 0 else 1])
    keys = jax.random.split(jax.random.key(0), 2)
    terms = [jax.random.normal(key, (groups * rows, 3, 5, 4)) for key in keys]

    def both(*terms):
        return sums(*(term.reshape(groups, rows, 3, 5, 4) for term in terms))

    with jax.set_mesh(mesh):
        program = jax.jit(both, in_shardings=batch_sharding(mesh)).lower(*terms).compile()
    found = program(*jax.device_put(terms, batch_sharding(mesh)))
    close(found, [np.asarray(term).reshape(groups, -1, 4).sum(1) for term in terms])
    moved = re.findall(
        r"= (.*?) (?:all-gather|all-reduce|all-to-all|collective-permute)(?:-start)?\(", program.as_text()
    )
    sizes = [
        np.prod([int(n) for n in dims.split(",")]) for dims in re.findall(r"\[([\d,]+)\]", " ".join(moved))
    ]
    assert max(sizes, default=0) <= 8 * 4 * groups, moved


def residual_blocks():
    """Modules that end a residual block, with `relu_sum` and in plain Flax; their inputs; weights of a loss."""
    keys = jax.random.split(jax.random.key(1), 4)
    x, other, plain, weight = (jax.random.normal(key, SHAPE) for key in keys)

    class Ours(nn.Module):
        shortcut: str

        @nn.compact
        def __call__(self, x, other, plain):
            first = BatchNorm(name="first").affine(x, True)
            if self.shortcut == "none":
                return relu_sum(first)
            return relu_sum(
                first, BatchNorm(name="second").affine(other, True) if self.shortcut == "norm" else plain
            )

    class Theirs(nn.Module):
        shortcut: str

        @nn.compact
        def __call__(self, x, other, plain):
            first = nn.BatchNorm(use_running_average=False, name="first")(x)
            if self.shortcut == "none":
                return nn.relu(first)
            if self.shortcut == "plain":
                return nn.relu(first + plain)
            return nn.relu(first + nn.BatchNorm(use_running_average=False, name="second")(other))

    return Ours, Theirs, (x, other, plain), weight


@pytest.mark.parametrize("shortcut", ["none", "plain", "norm"])
def test_relu_sum_is_norm_add_relu(shortcut):
    ours, theirs, inputs, weight = residual_blocks()
    scales = {
        name: {"scale": jnp.linspace(0.5, 2, 4), "bias": jnp.linspace(-1, 1, 4)}
        for name in ("first", "second")
    }

    def value_and_gradient(module, params):
        def loss(params, inputs):
            y, _ = module.apply({"params": params}, *inputs, mutable=["batch_stats"])
            return jnp.sum(weight * y), y

        (_, y), gradient = jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))(params, inputs)
        return y, gradient[1], gradient[0]

    y, dinputs, dscales = value_and_gradient(
        ours(shortcut), {name: {"norm": value} for name, value in scales.items()}
    )
    expected = value_and_gradient(theirs(shortcut), scales)
    close(y, expected[0])
    close(dinputs, expected[1], 1e-4)
    close(jax.tree.leaves(dscales), jax.tree.leaves(expected[2]), 1e-4)
