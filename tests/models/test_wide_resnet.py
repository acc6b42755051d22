"""Wide ResNets: the two codes' units, segments, sub-networks and dropout; parity is in test_parity.py."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from contrastive_jax.errors import InputError
from contrastive_jax.methods.simclr import SimCLR
from contrastive_jax.models import network
from contrastive_jax.models.heads import ProjectionHead
from contrastive_jax.models.layers import BatchNorm
from contrastive_jax.models.wide_resnet import OriginalUnit, SelfConUnit, WideResNet

KEY = jax.random.key(0)
IMAGES = jax.random.normal(KEY, (4, 8, 8, 3))
TINY = WideResNet(depth=10, widen=1)


def init(net, images=IMAGES):
    """Compiled, since hundreds of small operations take longer."""
    return jax.jit(net.init, static_argnums=2)(KEY, images, True)


def shapes(net, images=IMAGES):
    """Outputs and variables without computing anything."""
    return jax.eval_shape(lambda: net.init_with_output(KEY, images, True))


def train(net, variables, images):
    return jax.jit(lambda v, x: net.apply(v, x, True, mutable=["batch_stats"]))(variables, images)


@pytest.mark.parametrize("variant", [pytest.param("mcl", marks=pytest.mark.slow), "selfcon"])
def test_a_trunk_and_its_branch_are_the_whole_network(variant):
    net = TINY.clone(variant=variant, subnetworks=("block1", "block2"), subnetwork="fc")
    trunk, branch = net.clone(until="block1"), net.clone(after="block1")
    variables = init(net)
    expected, _ = train(net, variables, IMAGES)
    half, _ = train(trunk, variables, IMAGES)
    found, _ = train(branch, variables, half.blocks["block1"])
    assert list(half.blocks) == ["block1"] and not half.exits
    assert list(found.blocks) == ["block2", "block3"]
    assert set(found.exits) == {"block1", "block2", "final"}
    for name, value in expected.exits.items():
        np.testing.assert_allclose(found.exits[name], value, rtol=1e-4, atol=1e-5)
    own = [set(shapes(trunk)[1]["params"]), set(shapes(branch, half.blocks["block1"])[1]["params"])]
    assert not own[0] & own[1] and own[0] | own[1] == set(variables["params"])


@pytest.mark.parametrize("unit, biased", [(OriginalUnit, False), (SelfConUnit, True)])
def test_where_the_shortcut_starts(unit, biased):
    """With a second convolution of zeros only the shortcut is left: of relu(norm(x)), or of x itself."""
    make = unit(partial(nn.Conv, use_bias=biased), BatchNorm, 0.0, 5, 2)
    x = jax.random.normal(KEY, (2, 4, 4, 3))
    variables = init(make, x)
    variables["params"]["conv2"] = jax.tree.map(jnp.zeros_like, variables["params"]["conv2"])
    found, _ = make.apply(variables, x, True, mutable=["batch_stats"])
    mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
    activated = jnp.maximum(0.0, (x - mean[None, None, None]) / jnp.sqrt(var + 1e-5)[None, None, None])
    kernel = variables["params"]["shortcut"]["kernel"][0, 0]
    expected = (x if unit is SelfConUnit else activated)[:, ::2, ::2] @ kernel
    np.testing.assert_allclose(found, expected, atol=1e-4)
    text = str(jax.make_jaxpr(partial(make.apply, train=False))(variables, x))
    assert text.count("window_strides=(2, 2)") == 2  # one of the 3x3, and the shortcut
    middle = jax.eval_shape(
        lambda: make.apply(variables, x, False, capture_intermediates=lambda m, _: m.name == "conv1")
    )[1]["intermediates"]["conv1"]["__call__"][0]
    assert middle.shape[1] == (4 if unit is SelfConUnit else 2)


@pytest.mark.parametrize(
    "kind, units", [("pool", None), ("fc", None), ("small", 1), ("same", 2), ("large", 4)]
)
def test_kinds_of_subnetworks(kind, units):
    outputs, variables = shapes(network("wrn_16_8", subnetworks=("block1",), subnetwork=kind))
    assert outputs.exits["block1"].shape == (4, 128 if kind == "pool" else 512)
    assert outputs.exits["final"].shape == (4, 512)
    sub = variables["params"].get("sub_block1", {})
    if units:
        assert {name: len(block) for name, block in sub.items()} == {"block2": units, "block3": units}
    else:
        assert bool(sub) == (kind == "fc")


def test_dropout_acts_in_training_only():
    net = TINY.clone(dropout=0.5)
    variables = init(net)

    @jax.jit
    def run(key):
        trained, _ = net.apply(variables, IMAGES, True, mutable=["batch_stats"], rngs={"dropout": key})
        evaluated = [n.apply(variables, IMAGES, False).exits["final"] for n in (net, TINY)]
        return trained.exits["final"], evaluated

    (first, evaluated), (second, _) = run(jax.random.key(1)), run(jax.random.key(2))
    assert not np.allclose(first, second, atol=1e-3)
    np.testing.assert_allclose(*evaluated, atol=1e-6)


def test_a_method_hands_its_key_to_dropout():
    method = SimCLR(encoder=TINY.clone(dropout=0.5), head=ProjectionHead(dim=4))
    views = jax.random.normal(KEY, (2, 2, 8, 8, 3))
    params, extra = jax.jit(method.init)(KEY, views)
    embed = jax.jit(lambda key: method.embed(params, extra, {"view": views}, key)[0]["final"])
    first, again, other = (np.asarray(embed(jax.random.key(seed))) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other, atol=1e-3)


@pytest.mark.parametrize("variant, kept", [("mcl", 0.9), ("selfcon", 0.1)])
def test_running_average_of_the_final_norm(variant, kept):
    net = TINY.clone(variant=variant)
    variables = init(net)
    outputs, new = train(net, variables, IMAGES)
    expected = (1 - kept) * outputs.blocks["block3"].mean((0, 1, 2))
    np.testing.assert_allclose(new["batch_stats"]["norm"]["norm"]["mean"], expected, atol=1e-5)


def test_groups_reach_every_batch_norm():
    """Groups of half a batch: the two halves know nothing of each other, sub-network included."""
    net = TINY.clone(norm_group=2, subnetworks=("block1",))
    variables = init(net)
    whole, half = (train(net, variables, x)[0].exits for x in (IMAGES, IMAGES[:2]))
    for name, value in half.items():
        np.testing.assert_allclose(whole[name][:2], value, rtol=1e-4, atol=1e-4)


def test_imagenet_stem_reduces_four_times():
    outputs, _ = shapes(TINY.clone(stem="imagenet"), jnp.zeros((1, 32, 32, 3)))
    assert outputs.blocks["block1"].shape[1:3] == (8, 8)


def test_initial_weights():
    """He normal over the outputs in MCL's, Xavier uniform with gain sqrt(2) in SelfCon's."""
    for variant, unit_std in (("mcl", (2 / (9 * 64)) ** 0.5), ("selfcon", (2 * 2 / (9 * 128)) ** 0.5)):
        variables = init(TINY.clone(variant=variant))
        shape = variables["params"]["block3"]["unit1"]["conv2"]["kernel"].shape
        assert shape == (3, 3, 64, 64)
        np.testing.assert_allclose(
            variables["params"]["block3"]["unit1"]["conv2"]["kernel"].std(), unit_std, rtol=0.02
        )


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"depth": 18}, "6 n"),
        ({"variant": "selfcom"}, "did you mean 'selfcon'"),
        ({"subnetworks": ("block3",)}, "network.subnetworks"),
        ({"after": "block2", "until": "block1"}, "behind"),
    ],
)
def test_impossible_networks_are_refused(fields, message):
    with pytest.raises(InputError, match=message):
        TINY.clone(**fields)
