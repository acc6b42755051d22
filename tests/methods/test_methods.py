"""Every method passes the conformance suite on a tiny network; here are its cases and what it does not ask."""

import jax
import numpy as np
import pytest
from jax.sharding import PartitionSpec
from tiny import METHODS, Trial, trial

from contrastive_jax import conformance
from contrastive_jax.config.schema import schema
from contrastive_jax.experiment import CHOICES
from contrastive_jax.methods import Method
from contrastive_jax.train.state import TrainState

SLOW = {
    "BYOL",
    "CrossEntropy",
    "IntriguingDecoupled",
    "IntriguingDecoupledPaper",
    "IntriguingNTXent",
    "IntriguingSWD",
    "MCLBank",
    "MCLMoCo",
    "MCLSharded",
    "MoCo",
    "MoCoV3",
    "SDSSLBYOL",
    "SDSSLSimCLR",
    "SDSSLSimCLRSameView",
    "SelfCon1StageBYOL",
    "SelfCon1StageCRD",
    "SelfCon1StageCompress",
    "SelfCon1StageMLCPC",
    "SelfCon1StageReleased",
    "SelfCon1StageSD",
    "SelfCon1StageSelfCon",
    "SelfConM",
    "SelfConMJoint",
    "SelfConMU",
    "SelfConMUJoint",
    "SelfConSBank",
    "SelfConSU",
    "SimCLR",
    "SupConBank",
    "SupConIn",
    "SupConJoint",
    "SupConLargeMargin",
    "SupConNPairs",
    "SupConQueue",
    "SupConS",
    "SupConTriplet",
}
"""Methods whose conformance is a long proof."""
QUICK = {"MCL", "SDSSLMoCoV3", "SelfConS", "SupCon"}
"""The main rows, proven by `make test` up to micro-batches. A method in neither set is a new one and proven whole."""
CHEAP = (conformance.is_documented_and_frozen, conformance.declares_its_labels)
"""Checks that compile nothing: every method takes them in `make test`."""


def is_slow(name, check=None):
    if check in CHEAP:
        return False
    return name in SLOW or (name in QUICK and check is conformance.micro_batched_equals_whole)


def param(name, *check):
    marks = [pytest.mark.slow] if is_slow(name, *check) else []
    return pytest.param(name, *check, marks=marks, id="-".join([name, *(c.__name__ for c in check)]))


@pytest.mark.parametrize("name, check", [param(n, c) for n in METHODS for c in conformance.CHECKS])
def test_conforms(name, check):
    if check is conformance.micro_batched_equals_whole and trial(name).method.shuffles:
        pytest.skip("its keys pass BatchNorm in another order, drawn within each micro-batch")
    check(name)


@pytest.mark.parametrize("name", METHODS)
def test_whoever_is_told_the_classes_has_logits(name):
    """A method of the package asks for `num_classes` to train a classifier, and for nothing else."""
    cls = CHOICES["method"].find(name)
    assert issubclass(cls, Method)
    has_own = cls.logits is not Method.logits and getattr(cls, "num_classes", None) != 0
    assert has_own == ("num_classes" in schema(cls))


@pytest.mark.parametrize("name", [param(name) for name in METHODS])
def test_steps_are_counted_and_every_device_holds_the_state(name):
    state, _ = trial(name, 8).run(3)
    assert int(state.step) == 3
    for leaf in jax.tree.leaves(state):
        assert leaf.sharding.spec == PartitionSpec() and len(leaf.sharding.device_set) == 8


def test_the_known_methods_exist():
    assert {*METHODS} >= SLOW | QUICK


def test_state_is_a_function_of_the_seed_alone():
    one, eight = trial("supcon", 1).state(), trial("supcon", 8).state()
    assert all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(eight)))
    assert isinstance(one, TrainState)


def test_bfloat16_is_for_computation_alone():
    half, full = Trial("selfcon_s", 1, 0, precision="bfloat16"), trial("selfcon_s", 1)
    state, metrics = half.run(2)
    found = {leaf.dtype for leaf in jax.tree.leaves((state.params, state.collections, state.method_state))}
    assert found == {np.dtype("float32")}
    reference = full.run(2)[1]
    assert metrics[0]["loss"] != reference[0]["loss"], "nothing was computed in bfloat16"
    np.testing.assert_allclose(metrics[0]["loss"], reference[0]["loss"], rtol=0.02)
