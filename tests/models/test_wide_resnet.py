"""Wide ResNets: units of both variants, segments, sub-networks, dropout; parity is in test_parity.py."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from filled import filled

from contrastive_jax.errors import InputError
from contrastive_jax.methods.generalized import SimCLR
from contrastive_jax.models import network
from contrastive_jax.models.batch_norm import BatchNorm
from contrastive_jax.models.heads import ProjectionHead
from contrastive_jax.models.wide_resnet import OriginalUnit, SelfConUnit, WideResNet

KEY = jax.random.key(0)
IMAGES = jax.random.normal(KEY, (4, 8, 8, 3))
TINY = WideResNet(depth=10, widen=1)


def shapes(net, images=IMAGES):
    """Outputs and variables without computing anything."""
    return jax.eval_shape(lambda: net.init_with_output(KEY, images, True))


def train(net, variables, images):
    return jax.jit(lambda v, x: net.apply(v, x, True, mutable=["batch_stats"]))(variables, images)


@pytest.mark.parametrize("variant", [pytest.param("mcl", marks=pytest.mark.slow), "selfcon"])
def test_a_trunk_and_its_branch_equal_the_whole_network(variant):
    net = TINY.clone(variant=variant, subnetworks=("block1", "block2"), subnetwork="fc")
    trunk, branch = net.clone(until="block1"), net.clone(after="block1")
    variables = filled(net, IMAGES)
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
    """If the second convolution is zero, the output is the shortcut: of relu(norm(x)), or of x itself."""
    make = unit(partial(nn.Conv, use_bias=biased), BatchNorm, 0.0, 5, 2)
    x = jax.random.normal(KEY, (2, 4, 4, 3))
    variables = jax.jit(make.init, static_argnums=2)(KEY, x, True)
    variables["params"]["conv2"] = jax.tree.map(jnp.zeros_like, variables["params"]["conv2"])
    found, _ = make.apply(variables, x, True, mutable=["batch_stats"])
    mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
    activated = jnp.maximum(0.0, (x - mean[None, None, None]) / jnp.sqrt(var + 1e-5)[None, None, None])
    kernel = variables["params"]["shortcut"]["kernel"][0, 0]
    expected = (x if unit is SelfConUnit else activated)[:, ::2, ::2] @ kernel
    np.testing.assert_allclose(found, expected, atol=1e-4)
    text = str(jax.make_jaxpr(partial(make.apply, train=False))(variables, x))
    assert text.count("window_strides=(2, 2)") == 2  # one 3x3 convolution, and the shortcut
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


def test_dropout_acts_in_train_mode_only():
    net = TINY.clone(dropout=0.5)
    variables = filled(net, IMAGES)

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
    parts = jax.jit(method.init)(KEY, views)
    embed = jax.jit(lambda key: method.embed(*parts, {"view": views}, key)[0]["final"])
    first, again, other = (np.asarray(embed(jax.random.key(seed))) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other, atol=1e-3)


@pytest.mark.parametrize("variant, kept", [("mcl", 0.9), ("selfcon", 0.1)])
def test_running_average_of_the_final_norm(variant, kept):
    net = TINY.clone(variant=variant)
    variables = filled(net, IMAGES)
    outputs, new = train(net, variables, IMAGES)
    before, after = (tree["batch_stats"]["norm"]["norm"]["mean"] for tree in (variables, new))
    expected = kept * before + (1 - kept) * outputs.blocks["block3"].mean((0, 1, 2))
    np.testing.assert_allclose(after, expected, rtol=1e-5, atol=1e-5)


def test_groups_reach_every_batch_norm():
    """With groups of half a batch, the halves do not influence each other, in the sub-network either."""
    net = TINY.clone(norm_group=2, subnetworks=("block1",))
    variables = filled(net, IMAGES)
    whole, half = (train(net, variables, x)[0].exits for x in (IMAGES, IMAGES[:2]))
    for name, value in half.items():
        np.testing.assert_allclose(whole[name][:2], value, rtol=1e-4, atol=1e-4)


def test_the_imagenet_stem_reduces_the_resolution_four_times():
    outputs, _ = shapes(TINY.clone(stem="imagenet"), jnp.zeros((1, 32, 32, 3)))
    assert outputs.blocks["block1"].shape[1:3] == (8, 8)


def test_initial_weights():
    """He normal by the outputs in MCL's variant, Xavier uniform with gain sqrt(2) in SelfCon's."""
    for variant, unit_std in (("mcl", (2 / (9 * 64)) ** 0.5), ("selfcon", (2 * 2 / (9 * 128)) ** 0.5)):
        net = TINY.clone(variant=variant)
        params = jax.jit(lambda net=net: net.init(KEY, IMAGES, True)["params"]["block3"]["unit1"]["conv2"])()
        assert params["kernel"].shape == (3, 3, 64, 64)
        np.testing.assert_allclose(params["kernel"].std(), unit_std, rtol=0.02)


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"depth": 18}, r"6n \+ 4"),
        ({"variant": "selfcom"}, "did you mean 'selfcon'"),
        ({"subnetworks": ("block3",)}, "network.subnetworks"),
        ({"after": "block2", "until": "block1"}, "a block after network.after"),
    ],
)
def test_impossible_networks_are_refused(fields, message):
    with pytest.raises(InputError, match=message):
        TINY.clone(**fields)
