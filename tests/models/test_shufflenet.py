"""ShuffleNetV2: how its units treat channels; parity with MCL's networks is in test_parity.py."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from contrastive_jax.errors import InputError
from contrastive_jax.models import network
from contrastive_jax.models.shufflenet import KeepUnit, ShuffleNet, shuffle

KEY = jax.random.key(0)


def test_channels_of_both_halves_alternate():
    x = jnp.arange(6.0).reshape(1, 1, 1, 6)
    assert shuffle(x).ravel().tolist() == [0, 3, 1, 4, 2, 5]


def test_a_unit_passes_half_of_the_channels():
    x = jax.random.normal(KEY, (2, 4, 4, 6))
    unit = KeepUnit(norm_group=0, dtype=jnp.float32)
    variables = jax.jit(unit.init, static_argnums=2)(KEY, x, True)
    y, _ = jax.jit(lambda v, x: unit.apply(v, x, True, mutable=["batch_stats"]))(variables, x)
    np.testing.assert_array_equal(y[..., ::2], x[..., :3])
    assert (y[..., 1::2] >= 0).all() and y[..., 1::2].max() > 0.1


@pytest.mark.parametrize(
    "name, widths, features",
    [
        ("shufflenet_v2_05x", [48, 96, 192], 1024),
        ("shufflenet_v2_1x", [116, 232, 464], 1024),
        ("shufflenet_v2_2x", [224, 488, 976], 2048),
    ],
)
def test_published_networks(name, widths, features):
    net = network(name, subnetworks=("block2",))
    images = jnp.zeros((2, 32, 32, 3))
    outputs, variables = jax.eval_shape(lambda: net.init_with_output(KEY, images, True))
    assert [x.shape[1:] for x in outputs.blocks.values()] == [
        (size, size, width) for size, width in zip((16, 8, 4), widths, strict=True)
    ]
    assert {key: x.shape[1] for key, x in outputs.exits.items()} == {"block2": widths[1], "final": features}
    assert [len(variables["params"][f"block{i}"]) for i in (1, 2, 3)] == [4, 8, 4]


def test_weights_start_like_the_convolutions_of_pytorch():
    """Uniform up to +-1 / sqrt(inputs of an output): 9 for a depthwise 3x3, all channels for a 1x1."""
    net = ShuffleNet(channels=(64,), units=(1,), features=256)

    @jax.jit
    def init():
        params = net.init(KEY, jnp.zeros((2, 8, 8, 3)), True)["params"]
        return params["block1"]["unit2"]["layer2"]["conv"]["kernel"], params["last"]["conv"]["kernel"]

    for kernel, inputs in zip(init(), (9, 64), strict=True):
        assert 0.97 * inputs**-0.5 < np.abs(kernel).max() <= inputs**-0.5
        np.testing.assert_allclose(np.std(kernel), (3 * inputs) ** -0.5, rtol=0.1)


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"channels": (115, 232, 464)}, "even"),
        ({"units": (3, 7)}, "one even width per block"),
        ({"subnetworks": ("block3",)}, "network.subnetworks"),
        ({"until": "blok1"}, "did you mean 'block1'"),
    ],
)
def test_impossible_networks_are_refused(fields, message):
    with pytest.raises(InputError, match=message):
        ShuffleNet(**fields)
