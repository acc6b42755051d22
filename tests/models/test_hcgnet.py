"""HCGNet: its gates against loops in float64; parity with MCL's networks is in test_parity.py."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from contrastive_jax.errors import InputError
from contrastive_jax.models import network
from contrastive_jax.models.hcgnet import HCGNet
from contrastive_jax.models.hcgnet_gates import Gates

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)


def test_gates_equal_the_loops():
    x = RNG.normal(size=(3, 4, 5, 8))
    gates = Gates(reduction=2, norm_group=0, dtype=jnp.float32)
    shapes = jax.eval_shape(lambda: gates.init(KEY, jnp.zeros(x.shape), False))
    variables = jax.tree.map(lambda leaf: RNG.uniform(0.1, 1, leaf.shape), shapes)
    ours = gates.apply(jax.tree.map(jnp.float32, variables), jnp.float32(x), False)
    np.testing.assert_allclose(np.asarray(ours), slow_gates(x, variables), rtol=1e-4, atol=1e-5)


def slow_gates(x, variables):
    """The gates' output for `x`, one image at a time."""
    p, s = variables["params"], variables["batch_stats"]
    result = []
    for image in x:
        forget, update = p["forget"], p["update"]
        context = weighted_mean(image, image @ matrix(forget["context"]))
        hidden = np.tanh(norm(linear(context, forget["reduce"]), forget["norm"], s["forget"]["norm"]))
        keep = 1 / (1 + np.exp(-linear(hidden, forget["expand"])))
        scales = []
        for name, reach in (("near", 1), ("far", 2)):
            active = np.maximum(0, norm(image, update[name]["norm"], s["update"][name]["norm"]))
            found = depthwise(active, update[name]["conv"]["kernel"], reach)
            scales.append(weighted_mean(found, found @ matrix(update[f"{name}_context"])))
        hidden = linear(np.concatenate(scales), update["reduce"])
        hidden = np.tanh(norm(hidden, update["norm"], s["update"]["norm"]))
        near, far = (np.exp(linear(hidden, update[f"{name}_weight"])) for name in ("near", "far"))
        added = (near * scales[0] + far * scales[1]) / (near + far)
        result.append([[pixel * keep + added for pixel in row] for row in image])
    return np.array(result)


def matrix(layer):
    return layer["kernel"][0, 0]


def linear(x, layer):
    return x @ matrix(layer) + layer["bias"]


def norm(x, parameters, statistics):
    parameters, statistics = parameters["norm"], statistics["norm"]
    scaled = (x - statistics["mean"]) / np.sqrt(statistics["var"] + 1e-5)
    return scaled * parameters["scale"] + parameters["bias"]


def weighted_mean(image, logits):
    """A softmax-weighted mean; the bias of the logits is constant over space and cancels."""
    weight = np.exp(logits)
    return (image * weight).sum((0, 1)) / weight.sum()


def depthwise(image, kernel, reach):
    """A 3x3 convolution with dilation `reach` and zero padding, with one filter per channel."""
    height, width, _ = image.shape
    result = np.zeros_like(image)
    for i in range(height):
        for j in range(width):
            for di in (-1, 0, 1):
                for dj in (-1, 0, 1):
                    row, column = i + reach * di, j + reach * dj
                    if 0 <= row < height and 0 <= column < width:
                        result[i, j] += image[row, column] * kernel[di + 1, dj + 1, 0]
    return result


def test_the_published_network():
    """A block adds 8 times its growth to its channels; a transition halves the sum."""
    net = network("hcgnet_a1", subnetworks=("block1",))
    outputs, _ = jax.eval_shape(lambda: net.init_with_output(KEY, jnp.zeros((2, 32, 32, 3)), True))
    assert [x.shape[1:] for x in outputs.blocks.values()] == [(16, 16, 60), (8, 8, 126), (8, 8, 414)]
    assert {key: x.shape[1] for key, x in outputs.exits.items()} == {"block1": 60, "final": 414}


def test_weights_start_like_the_convolutions_of_pytorch():
    """Kernels and biases are uniform up to +-1 / sqrt(inputs of an output)."""
    gates = Gates(reduction=2, norm_group=0, dtype=jnp.float32)

    @jax.jit
    def init():
        params = gates.init(KEY, jnp.zeros((2, 4, 4, 64)), True)["params"]
        return params["forget"]["reduce"], params["update"]["reduce"]

    for layer, inputs in zip(init(), (64, 128), strict=True):
        for values in layer.values():
            assert 0.85 * inputs**-0.5 < np.abs(values).max() <= inputs**-0.5


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"growth": (12, 24, 35)}, "multiple of 4"),
        ({"layers": (8, 8)}, "one multiple of 4 per block"),
        ({"subnetworks": ("block3",)}, "network.subnetworks"),
    ],
)
def test_impossible_networks_are_refused(fields, message):
    with pytest.raises(InputError, match=message):
        HCGNet(**fields)
