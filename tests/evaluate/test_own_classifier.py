"""The accuracy of a run's own classifiers is what a computation by hand gives: of exits, of networks and together."""

import dataclasses
import json

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import trial

from contrastive_jax.augment import Recipe
from contrastive_jax.config.presets import evaluation, pretraining
from contrastive_jax.data.sources import load
from contrastive_jax.errors import InputError
from contrastive_jax.evaluate import own_classifier
from contrastive_jax.evaluate.features import make_extract
from contrastive_jax.experiment import assemble
from contrastive_jax.linear_eval import judge
from contrastive_jax.main import pretrain
from contrastive_jax.methods.mcl import stack, unstack
from contrastive_jax.models.outputs import Outputs
from contrastive_jax.parallel.mesh import make_mesh
from contrastive_jax.train.checkpoint import Checkpoints
from contrastive_jax.train.state import create

RECIPE = Recipe(mean=(0.3,), std=(0.4,))
TEST = load("digits", "test")


def logits_of(method, state, images, devices=1, batch_size=24):
    mesh = make_mesh(jax.devices()[:devices])
    extract = make_extract(method.logits, RECIPE, mesh, batch_size=batch_size)
    return extract(state.params, state.collections, images)


def percent(logits, labels):
    """Share of rows whose largest logit is that of the label."""
    return 100 * np.mean(np.argmax(logits, axis=1) == labels)


def tiny_run(folder, method="cross_entropy"):
    """Five epochs of a classifier or of SupCon on two exits of a small network."""
    config = pretraining(method, "digits,tiny:Plain")
    config.update(epochs=5.0, batch_size=128)
    config.learning_rate.peak = 0.3
    config.monitor.every_epochs = 0.0
    config.augment.update(jitter_probability=0.0, gray_probability=0.0, crop_scale=(0.8, 1.0), flip=0.0)
    pretrain(config.to_dict(), workdir=str(folder))
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return tiny_run(tmp_path_factory.mktemp("run"))


def judged(run, folder="judged", **fields):
    """The summary of an evaluation of the run."""
    config = evaluation()
    config.update(pretrained=str(run), folder=folder, linear=False, knn=(), controls=False)
    config.protocol.update(epochs=2, learning_rates=(0.1,))
    config.update(fields)
    judge(config.to_dict())
    return json.loads((run / folder / "summary.json").read_text())


def test_it_is_what_a_computation_by_hand_gives(run, capsys):
    found = judged(run)
    experiment = assemble(json.loads((run / "config.json").read_text()))
    method = experiment.method(num_classes=10, labels=load("digits", "train").labels)
    optimizer = experiment.transform(method, experiment.learning_rate_schedule(1.0))
    state = Checkpoints(run / "checkpoints", read_only=True).restore(
        create(method, optimizer, 0, (8, 8, 1), make_mesh())
    )
    x = (TEST.images.reshape(len(TEST), -1) / 255 - experiment.recipe.mean) / experiment.recipe.std
    params, logits = jax.device_get(state.params), {}
    for block, name in (("block1", "block1"), ("block2", "final")):
        dense, head = params["encoder"][block], params[f"head_{name}"]["dense"]
        x = np.tanh(x @ dense["kernel"] + dense["bias"])
        logits[name] = x @ head["kernel"] + head["bias"]
    logits["ensemble"] = logits["block1"] + logits["final"]
    expected = {name: percent(z, TEST.labels) for name, z in logits.items()}

    assert len(set(expected.values())) == 3 and expected["final"] > 50
    assert found["own_classifier"]["top1"] == pytest.approx(expected)
    assert found["top1"] == pytest.approx({f"own classifier, {k}": v for k, v in expected.items()})
    ranked = np.argsort(-logits["final"], axis=1)[:, :5]
    top5 = 100 * np.mean(np.any(ranked == TEST.labels[:, None], axis=1))
    assert found["own_classifier"]["top5"]["final"] == pytest.approx(top5)
    printed = capsys.readouterr().out
    assert "own classifier, ensemble" in printed and "own classifier top-5, final" in printed


def test_it_stands_beside_the_other_results(run):
    alone, beside = judged(run), judged(run, "beside", linear=True, knn=(5,))
    assert beside["own_classifier"] == alone["own_classifier"]
    for name in ("own classifier, final", "linear, final", "5-NN, final"):
        assert name in beside["top1"]
    neighbours = judged(run, "neighbours", knn=(5,))
    assert {name.split(",")[0] for name in neighbours["top1"]} == {"own classifier", "5-NN"}
    assert neighbours["top1"]["5-NN, final"] == beside["top1"]["5-NN, final"]


def test_other_classes_are_not_measured_and_a_line_says_so(run, tmp_path, capsys):
    train = load("digits", "train")
    np.savez(
        tmp_path / "other.npz",
        train_images=train.images,
        train_labels=train.labels,
        test_images=TEST.images,
        test_labels=TEST.labels,
    )
    source = f"npz:{tmp_path / 'other.npz'}"
    found = judged(run, "other", source=source, knn=(5,))
    words = f"knows the classes of '{train.name}', not those of '{source}'"
    assert words in found["own_classifier"]["not_measured"] and words in capsys.readouterr().out
    assert not [name for name in found["top1"] if name.startswith("own")]
    with pytest.raises(InputError, match="knows the classes of"):
        judged(run, "nothing", source=source)
    assert judged(run, "same", source="digits")["own_classifier"]["top1"]


def test_a_run_without_a_classifier_is_refused_where_nothing_else_is_asked_for(tmp_path):
    run = tiny_run(tmp_path / "supcon", "supcon")
    with pytest.raises(InputError, match="this run trained no classifier of its own"):
        judged(run)
    assert "own_classifier" not in judged(run, "neighbours", knn=(5,))


def test_the_ensemble_of_one_network_twice_is_that_network():
    tiny = trial("mcl_sharded")
    state = tiny.state()
    first, second = (stack([part] * 2) for part in unstack(state.params))
    collections = state.collections._replace(network=stack([unstack(state.collections.network)[0]] * 2))
    found = {}
    for name, params in (("first", first), ("second", second), ("both", state.params)):
        logits = logits_of(tiny.method, state._replace(params=params, collections=collections), TEST.images)
        found[name] = own_classifier.accuracy(logits, TEST.labels)["top1"]
    assert set(found["first"]) == {"final", "net2", "ensemble"} and len({*found["first"].values()}) == 1
    assert found["both"]["final"] == found["first"]["final"] != found["second"]["final"]
    assert found["both"]["net2"] == found["second"]["final"]


def test_stacked_networks_have_the_logits_of_the_plain_cohort():
    plain, stacked = trial("mcl"), trial("mcl_sharded")
    state, other = stacked.state(), plain.state()
    params, statistics = {}, {}
    for name, own, network in zip(
        ("net1", "net2"), unstack(state.params), unstack(state.collections.network)
    ):
        params |= {f"{part}_{name}": own[f"{part}_net1"] for part in ("classifier", "head")}
        params.setdefault("cohort", {})[name] = own["cohort"]["net1"]
        statistics[name] = network["batch_stats"]["cohort"]["net1"]
    network = other.collections.network | {"batch_stats": {"cohort": statistics}}
    other = other._replace(params=params, collections=other.collections._replace(network=network))
    expected = logits_of(plain.method, other, TEST.images[:20])
    found = logits_of(stacked.method, state, TEST.images[:20])
    assert set(found) == set(expected) == {"net2", "final"}
    for name in found:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-4, atol=1e-5)
    assert not np.allclose(found["net2"], found["final"], atol=1e-2)


@pytest.mark.parametrize("name", ["selfcon_1stage_sd", "mcl_sharded"])
def test_eight_devices_count_every_image_once(name):
    tiny = trial(name)
    state, images, labels = tiny.state(), TEST.images[:45], TEST.labels[:45]
    one = logits_of(tiny.method, state, images, batch_size=45)
    eight = logits_of(tiny.method, trial(name, 8).state(), images, devices=8, batch_size=20)
    for exit, z in one.items():
        assert z.shape == eight[exit].shape == (45, 10)
        np.testing.assert_allclose(eight[exit], z, rtol=1e-4, atol=1e-5)
    found = own_classifier.accuracy(eight, labels)["top1"]
    for exit, z in {**one, "ensemble": sum(one.values())}.items():
        assert found[exit] == pytest.approx(percent(z, labels))


class Dropping(nn.Module):
    """A dense layer with half of its units dropped in train mode."""

    @nn.compact
    def __call__(self, images, train):
        x = nn.tanh(nn.Dense(12)(images.reshape(len(images), -1)))
        return Outputs({}, {"final": nn.Dropout(0.5, deterministic=not train)(x)})


def test_nothing_is_dropped():
    method = dataclasses.replace(trial("cross_entropy").method, encoder=Dropping())
    params, collections, _ = method.init(jax.random.key(0), jnp.zeros((2, 1, 8, 8, 1)))
    images = jax.random.uniform(jax.random.key(1), (4, 8, 8, 1))
    params = jax.device_get(params)
    dense, head = params["encoder"]["Dense_0"], params["head_final"]["dense"]
    x = np.tanh(np.asarray(images).reshape(4, -1) @ dense["kernel"] + dense["bias"])
    found = method.logits(params, collections, images)["final"]
    np.testing.assert_allclose(found, x @ head["kernel"] + head["bias"], rtol=1e-4, atol=1e-5)


def test_the_online_classifier_sees_the_representation():
    tiny = trial("supcon_joint")
    state = tiny.state()
    images = jax.random.uniform(jax.random.key(1), (4, 8, 8, 1))
    x = jax.jit(tiny.method.features)(state.params, state.collections, images)["final"]
    probe = state.params["probe"]["dense"]
    found = jax.jit(tiny.method.logits)(state.params, state.collections, images)
    np.testing.assert_allclose(
        found["final"], x @ probe["kernel"] + probe["bias"][None], rtol=1e-4, atol=1e-5
    )
    assert list(found) == ["final"]


def test_top5_needs_ten_classes():
    rng = np.random.default_rng(0)
    for classes, kept in ((9, {"top1"}), (10, {"top1", "top5"})):
        logits, labels = rng.normal(size=(50, classes)), rng.integers(classes, size=50)
        found = own_classifier.accuracy({"final": logits.astype(np.float32)}, labels)
        assert set(found) == kept and found["top1"] == {"final": pytest.approx(percent(logits, labels))}


def test_a_diverged_classifier_scores_nothing():
    logits = {"final": np.full((4, 3), np.nan, np.float32)}
    assert own_classifier.accuracy(logits, np.zeros(4, np.int32))["top1"]["final"] == 0
