"""Cohorts: independent networks, branches of a shared trunk and their cost; segments of every family."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from filled import filled

from contrastive_jax.errors import InputError
from contrastive_jax.models.cifar_resnet import CifarResNet
from contrastive_jax.models.cohort import Cohort, CohortHeads
from contrastive_jax.models.hcgnet import HCGNet
from contrastive_jax.models.heads import ProjectionHead
from contrastive_jax.models.resnet import ResNet
from contrastive_jax.models.shufflenet import ShuffleNet
from contrastive_jax.models.wide_resnet import WideResNet
from contrastive_jax.torch_weights.names import table

KEY = jax.random.key(0)
IMAGES = jax.random.normal(KEY, (4, 8, 8, 3))
TINY = {
    "cifar_resnet": CifarResNet(depth=8, width=4),
    "shufflenet": ShuffleNet(channels=(8, 12), units=(1, 1), features=16),
    "hcgnet": HCGNet(growth=(4, 4), layers=(1, 1)),
    "resnet": ResNet(depth=8, width=4),
    "wide_resnet": WideResNet(depth=10, widen=1),
}
ONE_BLOCK = {
    "cifar_resnet": TINY["cifar_resnet"],  # always three
    "shufflenet": ShuffleNet(channels=(8,), units=(1,), features=16),
    "hcgnet": HCGNet(growth=(4,), layers=(1,)),
}


def run(net, variables, images=IMAGES):
    """Outputs in train mode, and the new running statistics."""
    apply = jax.jit(functools.partial(net.apply, mutable=["batch_stats"]), static_argnums=2)
    return apply(variables, images, True)


def assert_close(found, expected):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), found, expected)


@pytest.mark.parametrize("family", TINY)
def test_a_trunk_and_a_branch_equal_the_whole_network(family):
    net = TINY[family].clone(subnetworks=("block1",))
    cohort = Cohort((net, net), shared="block1")
    variables = filled(cohort, IMAGES)
    assert variables["params"].keys() == {"trunk", "net1", "net2"}
    found, statistics = run(cohort, variables)
    whole = {name: variables[name]["trunk"] | variables[name]["net2"] for name in variables}
    expected, changed = run(net, whole)
    assert list(found["net2"].blocks) == list(expected.blocks)
    assert list(found["net2"].exits) == list(expected.exits) == ["block1", "final"]
    assert_close(found["net2"], expected)
    new = statistics["batch_stats"]
    assert_close(new["trunk"] | new["net2"], changed["batch_stats"])
    assert np.abs(found["net1"].exits["final"] - found["net2"].exits["final"]).max() > 1e-3


@pytest.mark.parametrize("family", ONE_BLOCK)
def test_rows_of_another_norm_group_have_no_influence(family):
    net = ONE_BLOCK[family]
    variables = filled(net, IMAGES)
    whole, _ = run(net.clone(norm_group=2), variables)
    half, _ = run(net, variables, IMAGES[:2])
    assert_close(whole.exits["final"][:2], half.exits["final"])


@pytest.mark.parametrize("family", ONE_BLOCK)
def test_maps_are_bfloat16_and_exits_float32(family):
    net = TINY[family].clone(dtype=jnp.bfloat16, subnetworks=("block1",))
    outputs, variables = jax.eval_shape(lambda: net.init_with_output(KEY, IMAGES, True))
    assert {x.dtype for x in jax.tree.leaves(outputs.blocks)} == {jnp.dtype("bfloat16")}
    assert {x.dtype for x in jax.tree.leaves((outputs.exits, variables))} == {jnp.dtype("float32")}


def test_independent_networks_may_differ():
    members = (TINY["cifar_resnet"], ONE_BLOCK["shufflenet"])
    cohort = Cohort(members)
    variables = filled(cohort, IMAGES)
    found, _ = run(cohort, variables)
    for name, member in zip(("net1", "net2"), members, strict=True):
        own = {collection: tree[name] for collection, tree in variables.items()}
        assert_close(found[name], run(member, own)[0])


def test_every_network_has_a_separate_classifier_and_head():
    cohort = Cohort((TINY["cifar_resnet"],) * 2, shared="block2")
    model = CohortHeads(cohort, ProjectionHead(dim=6, hidden=10), num_classes=7)
    variables = filled(model, IMAGES)
    params = variables["params"]
    assert params.keys() == {"cohort", "classifier_net1", "classifier_net2", "head_net1", "head_net2"}
    assert params["cohort"]["net1"].keys() == {"block3"}
    peer = run(model, variables)[0]["net2"]
    dense = params["classifier_net2"]["dense"]
    assert_close(peer.logits, peer.representation @ dense["kernel"] + dense["bias"][None])
    head = ProjectionHead(dim=6, hidden=10)
    assert_close(peer.embedding, head.apply({"params": params["head_net2"]}, peer.representation))
    outputs, _ = run(cohort, {name: tree["cohort"] for name, tree in variables.items() if "cohort" in tree})
    assert_close(peer.representation, outputs["net2"].exits["final"])


def test_without_classes_there_are_no_classifiers():
    model = CohortHeads(Cohort((TINY["cifar_resnet"],) * 2), ProjectionHead(dim=6), num_classes=0)
    peers, variables = jax.eval_shape(lambda: model.init_with_output(KEY, IMAGES, True))
    assert variables["params"].keys() == {"cohort", "head_net1", "head_net2"}
    assert peers["net1"].logits.shape == (4, 0)


def test_mcl_names_of_heads_and_of_a_single_network():
    """Names that no golden file has: those of the criterion's heads and of a network without a cohort."""
    names = {
        "head_net2/hidden1/dense/kernel": "embed_list.1.proj_head.0.weight",
        "head_net2/output/dense/bias": "embed_list.1.proj_head.2.bias",
        "encoder/block1/unit2/layer3/norm/norm/scale": "layer1.1.bn3.weight",
        "head_final/dense/kernel": "linear.weight",
    }
    assert table("mcl_shufflenet").names(list(names)) == names


def flops(net):
    """FLOPs of a compiled gradient of the sum of squared exits."""

    def loss(params, statistics, images):
        variables = {"params": params, "batch_stats": statistics}
        outputs, _ = net.apply(variables, images, True, mutable=["batch_stats"])
        found = outputs.values() if isinstance(net, Cohort) else [outputs]
        return sum(jnp.square(x.exits["final"]).sum() for x in found)

    variables = jax.eval_shape(lambda: net.init(KEY, IMAGES, True))
    compiled = jax.jit(jax.grad(loss)).lower(variables["params"], variables["batch_stats"], IMAGES).compile()
    cost = compiled.cost_analysis()
    assert cost is not None
    return cost["flops"]


@pytest.mark.slow
def test_a_cohort_costs_as_much_as_its_networks_and_a_shared_trunk_only_once():
    net = TINY["cifar_resnet"]
    one, three, shared = (flops(x) for x in (net, Cohort((net,) * 3), Cohort((net,) * 3, shared="block1")))
    assert 2.97 * one < three < 1.03 * 3 * one
    trunk = (three - shared) / 2  # `three` counts it three times, `shared` once
    assert 0.3 * one < trunk < 0.6 * one


class NoSegments(ProjectionHead):
    """An encoder without `after` and `until`."""


@pytest.mark.parametrize(
    "members, shared, message",
    [
        ((), "", "at least one"),
        ((TINY["resnet"], TINY["cifar_resnet"]), "block1", "must be alike"),
        ((TINY["resnet"], TINY["resnet"].clone(width=8)), "block1", "must be alike"),
        ((TINY["resnet"],) * 2, "block3", "method.shared is 'block3'"),
        ((TINY["resnet"].clone(subnetworks=("block1",)),) * 2, "block2", "begins after 'block2'"),
        ((NoSegments(),) * 2, "block1", "cannot share a trunk"),
    ],
)
def test_impossible_cohorts_are_refused(members, shared, message):
    with pytest.raises(InputError, match=message):
        Cohort(members, shared)
