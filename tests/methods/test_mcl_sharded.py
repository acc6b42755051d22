"""A cohort spread over devices trains as one that shares them, and as the plain method does."""

import functools
import re

import jax
import numpy as np
import pytest
from commandline import error, run
from jax.sharding import PartitionSpec
from tiny import Trial, trial

from contrastive_jax.errors import InputError
from contrastive_jax.methods.mcl import unstack
from contrastive_jax.parallel.mesh import make_mesh
from contrastive_jax.train.step import train_step


@pytest.fixture(scope="module")
def spread():
    return Trial("mcl_sharded", 8, 0, cohort=2)


def test_spread_over_devices_equals_all_on_every_device(spread):
    state, metrics = spread.run(3)
    expected, seen = trial("mcl_sharded", 8).run(3)
    for a, b in zip(metrics, seen):
        np.testing.assert_allclose(a["loss"], b["loss"], rtol=2e-5)
        np.testing.assert_allclose(a["gradient_norm"], b["gradient_norm"], rtol=1e-3)
    found, expected = (jax.tree.leaves(s[1:4]) for s in (state, expected))  # all but step and optimizer
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-5)


def test_every_device_holds_its_own_network_alone(spread):
    state, _ = spread.step(spread.state(), spread.batch(0))
    for leaf in jax.tree.leaves((state.params, state.collections, state.optimizer_state)):
        assert leaf.sharding.spec == PartitionSpec("cohort") and leaf.shape[0] == 2
        assert {shard.data.shape[0] for shard in leaf.addressable_shards} == {1}


def test_equals_the_plain_method_with_the_same_parameters():
    plain, stacked = trial("mcl", 1), trial("mcl_sharded", 1)
    state = stacked.state()
    merged = {}
    for name, own in zip(("net1", "net2"), unstack(state.params)):
        merged |= {f"{part}_{name}": own[f"{part}_net1"] for part in ("classifier", "head")}
        merged.setdefault("cohort", {})[name] = own["cohort"]["net1"]
    other = plain.state()
    assert jax.tree.structure(merged) == jax.tree.structure(other.params)
    _, expected = plain.step(other._replace(params=merged), plain.batch(0))
    _, found = stacked.step(state, stacked.batch(0))
    for name in ("loss", "loss_vcl", "loss_soft_icl", "loss_cross_entropy", "gradient_norm"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, err_msg=name)


def test_only_embeddings_and_logits_travel_between_the_groups(spread):
    state, batch = spread.state(), spread.batch(0)
    step = jax.jit(functools.partial(train_step, spread.training))
    with jax.set_mesh(spread.mesh):
        text = step.lower(state, batch, np.uint32(0)).compile().as_text()
    largest = 16 * 16 * 4  # a float32 [batch, classes or dim] of either network would be smaller
    for line in text.splitlines():
        found = re.search(r"= (\w+)\[([\d,]*)\].*(all-gather|all-to-all|collective-permute)\(", line)
        if found:
            assert np.prod([int(n) for n in found[2].split(",") if n]) <= largest, line


def test_wrong_numbers_of_groups_are_refused():
    with pytest.raises(InputError, match="must divide the 8 devices"):
        make_mesh(jax.devices()[:8], cohort=3)
    with pytest.raises(InputError, match="must divide the 2 networks"):
        Trial("mcl_sharded", 8, 0, cohort=4).run(1)


def test_the_commands_take_stacked_networks(tmp_path):
    tiny = (
        "--config=configs/mcl.py:digits,resnet8",
        "--config.method.name=mcl_sharded",
        "--config.network.width=4",
        "--config.sampler.per_class=2",
        "--config.batch_size=16",
        "--config.epochs=0.02",
        "--config.cohort_devices=2",
    )
    run("main", *tiny, f"--workdir={tmp_path / 'run'}", devices=2)
    assert "peers" in (tmp_path / "run" / "parameters.txt").read_text()
    assert "net2" in run("describe", *tiny)
    out = f"--output={tmp_path / 'net.safetensors'}"
    assert "stacked" in error("export", f"--run={tmp_path / 'run'}", "--naming=mcl", out)
