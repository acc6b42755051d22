"""Segments, sub-networks and BatchNorm groups of the ResNets; parity with the originals is in test_parity.py."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from filled import filled

from contrastive_jax.errors import InputError
from contrastive_jax.models.residual import strided
from contrastive_jax.models.resnet import ResNet

TINY = ResNet(depth=8, width=4)
KEY = jax.random.key(0)
IMAGES = jax.random.normal(KEY, (4, 8, 8, 3))


def train(net, variables, images):
    return jax.jit(lambda v, x: net.apply(v, x, True, mutable=["batch_stats"])[0])(variables, images)


def shapes(net, images=IMAGES):
    """Outputs and variables without computing anything."""
    return jax.eval_shape(lambda: net.init_with_output(KEY, images, True))


def test_a_trunk_and_its_branch_equal_the_whole_network():
    net = TINY.clone(subnetworks=("block1", "block2"), subnetwork="fc")
    trunk, branch = net.clone(until="block1"), net.clone(after="block1")
    variables = filled(net, IMAGES)
    expected, half = (train(part, variables, IMAGES) for part in (net, trunk))
    found = train(branch, variables, half.blocks["block1"])
    assert list(half.blocks) == ["block1"] and not half.exits
    assert list(found.blocks) == ["block2", "block3"]
    assert list(found.exits) == list(expected.exits) == ["block1", "block2", "final"]
    for name, value in expected.exits.items():
        np.testing.assert_allclose(found.exits[name], value, rtol=1e-5, atol=1e-6)
    maps = {
        "params": shapes(trunk)[1]["params"],
        "branch": shapes(branch, half.blocks["block1"])[1]["params"],
    }
    assert not set(maps["params"]) & set(maps["branch"])
    assert jax.tree.map(jnp.shape, maps["params"] | maps["branch"]) == jax.tree.map(
        jnp.shape, variables["params"]
    )


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"after": "block3"}, "network.after"),
        ({"until": "blok1"}, "did you mean 'block1'"),
        ({"after": "block2", "until": "block2"}, "a block after network.after"),
        ({"after": "block2", "subnetworks": ("block1",)}, "network begins after 'block2'"),
        ({"subnetworks": ("block3",)}, "network.subnetworks"),
    ],
)
def test_impossible_segments_are_refused(fields, message):
    with pytest.raises(InputError, match=message):
        TINY.clone(**fields)


@pytest.mark.parametrize(
    "kind, depth, width, units",
    [
        ("pool", 18, 128, None),
        ("fc", 18, 512, None),
        ("small", 18, 512, {"block3": 1, "block4": 1}),
        ("same", 50, 2048, {"block3": 6, "block4": 3}),
        ("small", 50, 2048, {"block3": 3, "block4": 1}),
        ("large", 18, 512, {"block3": 4, "block4": 4}),
    ],
)
def test_kinds_of_subnetworks(kind, depth, width, units):
    outputs, variables = shapes(ResNet(depth=depth, subnetworks=("block2",), subnetwork=kind))
    assert outputs.exits["block2"].shape == (4, width)
    sub = variables["params"].get("sub_block2", {})
    if units is not None:
        assert {name: len(stage) for name, stage in sub.items()} == units
    else:
        assert bool(sub) == (kind == "fc")


def test_with_residual_scale_zero_every_unit_starts_as_its_shortcut():
    net = TINY.clone(residual_scale=0.0)
    variables = jax.jit(net.init, static_argnums=2)(KEY, IMAGES, True)
    scales = {
        jax.tree_util.keystr(path, simple=True, separator="/"): float(leaf.sum())
        for path, leaf in jax.tree_util.tree_leaves_with_path(variables["params"])
        if path[-1].key == "scale"
    }
    zero = {name for name, total in scales.items() if total == 0.0}
    assert zero == {f"block{i}/unit1/norm2/norm/scale" for i in (1, 2, 3)}


def test_groups_reach_every_batch_norm():
    """With groups of half a batch, the halves do not influence each other, in the sub-network either."""
    net = TINY.clone(norm_group=2, subnetworks=("block1",), subnetwork="same")
    variables = filled(net, IMAGES)
    whole, half = (train(net, variables, images).exits for images in (IMAGES, IMAGES[:2]))
    for name, value in half.items():
        np.testing.assert_allclose(whole[name][:2], value, rtol=1e-5, atol=1e-5)
    ungrouped = train(net.clone(norm_group=0), variables, IMAGES).exits
    assert not np.allclose(ungrouped["final"], whole["final"], atol=0.01)


@pytest.mark.parametrize("size", [7, 8])
def test_a_strided_shortcut_subsamples(size):
    """`strided` has a custom gradient; it equals that of slicing."""
    x = jax.random.normal(KEY, (2, size, size, 3))
    weights = jax.random.normal(KEY, x.shape), jax.random.normal(KEY, x[:, ::2, ::2].shape)

    def loss(split):
        return lambda x: sum(jnp.sum(w * part) for w, part in zip(weights, split(x)))

    found = jax.grad(loss(lambda x: strided(x, 2)))(x)
    np.testing.assert_allclose(found, jax.grad(loss(lambda x: (x, x[:, ::2, ::2])))(x), rtol=1e-6)
