"""VGG: blocks, segments and sub-networks; parity is in test_parity.py."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from filled import filled

from contrastive_jax.errors import InputError
from contrastive_jax.models import network
from contrastive_jax.models.vgg import VGG

KEY = jax.random.key(0)
IMAGES = jax.random.normal(KEY, (4, 32, 32, 3))
TINY = VGG(depth=13, width=2)


def shapes(net, images=IMAGES):
    return jax.eval_shape(lambda: net.init_with_output(KEY, images, True))


def test_blocks_end_with_a_max_pool():
    outputs, variables = shapes(network("vgg16_bn"))
    sizes = {name: (x.shape[1], x.shape[3]) for name, x in outputs.blocks.items()}
    assert sizes == {
        "block1": (16, 64),
        "block2": (8, 128),
        "block3": (4, 256),
        "block4": (2, 512),
        "block5": (1, 512),
    }
    assert {n: sum("conv" in k for k in v) for n, v in variables["params"].items()} == {
        "block1": 2,
        "block2": 2,
        "block3": 3,
        "block4": 3,
        "block5": 3,
    }


def test_a_trunk_and_its_branch_equal_the_whole_network():
    net = TINY.clone(subnetworks=("block2", "block4"), subnetwork="small")
    variables = filled(net, IMAGES)

    def train(net, images):
        return jax.jit(lambda v, x: net.apply(v, x, True, mutable=["batch_stats"])[0])(variables, images)

    expected = train(net, IMAGES)
    half = train(net.clone(until="block2"), IMAGES)
    found = train(net.clone(after="block2"), half.blocks["block2"])
    assert list(half.blocks) == ["block2"]
    assert not half.exits and set(found.exits) == {"block2", "block4", "final"}
    assert list(found.blocks) == ["block3", "block4", "block5"]
    for name, value in expected.exits.items():
        np.testing.assert_allclose(found.exits[name], value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "name, kind, convolutions",
    [
        ("vgg16_bn", "pool", 0),
        ("vgg16_bn", "fc", 0),
        ("vgg16_bn", "small", 1),
        ("vgg16_bn", "same", 3),
        ("vgg13_bn", "same", 2),
    ],
)
def test_kinds_of_subnetworks(name, kind, convolutions):
    outputs, variables = shapes(network(name, subnetworks=("block3",), subnetwork=kind))
    assert outputs.exits["block3"].shape == (4, 256 if kind == "pool" else 512)
    sub = variables["params"].get("sub_block3", {})
    if convolutions:
        assert {name: len(block) for name, block in sub.items()} == {
            "block4": 2 * convolutions,
            "block5": 2 * convolutions,
        }
    else:
        assert set(sub) == ({"linear"} if kind == "fc" else set())


@pytest.mark.slow
def test_groups_reach_every_batch_norm():
    net = TINY.clone(norm_group=2, subnetworks=("block4",), subnetwork="small")
    variables = filled(net, IMAGES)
    run = jax.jit(lambda x: net.apply(variables, x, True, mutable=["batch_stats"])[0].exits)
    whole, half = run(IMAGES), run(IMAGES[:2])
    for name, value in half.items():
        np.testing.assert_allclose(whole[name][:2], value, rtol=1e-4, atol=1e-4)


def test_images_that_are_too_small_are_refused():
    with pytest.raises(InputError, match="at least 32 x 32 pixels"):
        shapes(TINY, jnp.zeros((2, 16, 16, 3)))


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"depth": 19}, "network.depth"),
        ({"subnetwork": "large"}, "network.subnetwork"),
        ({"after": "block5"}, "after"),
    ],
)
def test_impossible_networks_are_refused(fields, message):
    with pytest.raises(InputError, match=message):
        TINY.clone(**fields)
