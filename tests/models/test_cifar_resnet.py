"""The three-block ResNets for 32-pixel images; parity with MCL's networks is in test_parity.py."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from contrastive_jax.errors import InputError
from contrastive_jax.models import network
from contrastive_jax.models.cifar_resnet import CifarResNet

IMAGES = jnp.zeros((2, 32, 32, 3))


def shapes(net):
    return jax.eval_shape(lambda: net.init_with_output(jax.random.key(0), IMAGES, True))


@pytest.mark.parametrize(
    "name, units, layers, features",
    [
        ("cifar_resnet20", 3, 2, 64),
        ("cifar_resnet56", 9, 2, 64),
        ("cifar_resnet110", 12, 3, 256),
        ("cifar_resnet110_basic", 18, 2, 64),
    ],
)
def test_published_networks(name, units, layers, features):
    outputs, variables = shapes(network(name))
    assert [x.shape[1] for x in outputs.blocks.values()] == [32, 16, 8]
    assert outputs.exits["final"].shape == (2, features)
    for i in (1, 2, 3):
        block = variables["params"][f"block{i}"]
        assert len(block) == units
        assert all(sum(key.startswith("conv") for key in unit) == layers for unit in block.values())


def test_subnetworks_are_built_like_those_of_the_large_resnets():
    net = CifarResNet(depth=32, subnetworks=("block2", "block1"), subnetwork="small")
    outputs, variables = shapes(net)
    assert {name: x.shape[1] for name, x in outputs.exits.items()} == {
        "block1": 64,
        "block2": 64,
        "final": 64,
    }
    assert {name: len(block) for name, block in variables["params"]["sub_block1"].items()} == {
        "block2": 2,
        "block3": 2,
    }


def test_convolutions_start_with_the_variance_of_he_et_al():
    init = CifarResNet(depth=8).init
    params = jax.jit(lambda key: init(key, IMAGES, True)["params"]["block3"]["unit1"])(jax.random.key(0))
    kernel = np.asarray(params["conv2"]["kernel"])
    assert kernel.shape == (3, 3, 64, 64)
    np.testing.assert_allclose(kernel.std(), np.sqrt(2 / (9 * 64)), rtol=0.02)


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"depth": 33}, "e.g. 32"),
        ({"depth": 32, "block": "bottleneck"}, "9n"),
        ({"depth": 2}, "e.g. 8"),
        ({"block": "basik"}, "did you mean 'basic'"),
        ({"subnetworks": ("block3",)}, "network.subnetworks"),
        ({"after": "block2", "until": "block1"}, "a block after network.after"),
        ({"after": "block2", "subnetworks": ("block1",)}, "network begins after 'block2'"),
    ],
)
def test_impossible_networks_are_refused(fields, message):
    with pytest.raises(InputError, match=message):
        CifarResNet(**fields)
