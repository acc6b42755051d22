"""Segments, sub-networks and BatchNorm policy of the ResNets; parity with the originals is in test_golden.py."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from contrastive_jax.errors import InputError
from contrastive_jax.models.residual import strided
from contrastive_jax.models.resnet import ResNet

TINY = ResNet(depth=8, width=4)
KEY = jax.random.key(0)
IMAGES = jax.random.normal(KEY, (4, 8, 8, 3))


def shapes(net, images=IMAGES):
    """Exits and variables without computing anything."""
    return jax.eval_shape(lambda: net.init_with_output(KEY, images, True))


def test_a_trunk_and_its_branch_are_the_whole_network():
    net = TINY.clone(subnetworks=("block1", "block2"), subnetwork="fc")
    trunk, branch = net.clone(until="block1"), net.clone(after="block1")
    variables = net.init(KEY, IMAGES, True)
    (expected, _), (half, _) = (
        part.apply(variables, IMAGES, True, mutable=["batch_stats"]) for part in (net, trunk)
    )
    found, _ = branch.apply(variables, half.blocks["block1"], True, mutable=["batch_stats"])
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
        ({"after": "block2", "until": "block2"}, "behind network.after"),
        ({"after": "block2", "subnetworks": ("block1",)}, "leave before 'block2'"),
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


def test_residual_scale_starts_every_block_as_its_shortcut():
    variables = TINY.clone(residual_scale=0.0).init(KEY, IMAGES, True)
    scales = {
        jax.tree_util.keystr(path, simple=True, separator="/"): float(leaf.sum())
        for path, leaf in jax.tree_util.tree_leaves_with_path(variables["params"])
        if path[-1].key == "scale"
    }
    zero = {name for name, total in scales.items() if total == 0.0}
    assert zero == {f"block{i}/unit1/norm2/norm/scale" for i in (1, 2, 3)}


def test_groups_reach_every_batch_norm():
    """Groups of half a batch: the two halves know nothing of each other, sub-network included."""
    net = TINY.clone(norm_group=2, subnetworks=("block1",), subnetwork="same")
    variables = net.init(KEY, IMAGES, True)

    def exits(images):
        return net.apply(variables, images, True, mutable=["batch_stats"])[0].exits

    whole, half = exits(IMAGES), exits(IMAGES[:2])
    for name, value in half.items():
        np.testing.assert_allclose(whole[name][:2], value, rtol=1e-5, atol=1e-5)
    everything = TINY.clone(subnetworks=("block1",), subnetwork="same")
    assert not np.allclose(
        everything.apply(variables, IMAGES, True, mutable=["batch_stats"])[0].exits["final"],
        whole["final"],
        atol=0.01,
    )


@pytest.mark.parametrize("size", [7, 8])
def test_a_strided_shortcut_is_a_strided_convolution(size):
    """Values and gradient of slicing, written for XLA's sake as an operation of its own."""
    x = jax.random.normal(KEY, (2, size, size, 3))
    weights = jax.random.normal(KEY, x.shape), jax.random.normal(KEY, x[:, ::2, ::2].shape)

    def loss(split):
        return lambda x: sum(jnp.sum(w * part) for w, part in zip(weights, split(x)))

    found = jax.grad(loss(lambda x: strided(x, 2)))(x)
    np.testing.assert_allclose(found, jax.grad(loss(lambda x: (x, x[:, ::2, ::2])))(x), rtol=1e-6)
