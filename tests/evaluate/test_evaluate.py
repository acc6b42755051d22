"""The command `evaluate`: what it measures is what its parts give by hand, features are extracted once, and bad input
is refused in a sentence."""

import dataclasses
import json
import shutil

import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest
from test_own_classifier import tiny_run

from contrastive_jax.commands import evaluate
from contrastive_jax.config.presets import evaluation, evaluations
from contrastive_jax.data.sources import load
from contrastive_jax.errors import InputError
from contrastive_jax.evaluate import calibration, few_shot, hypersphere, logistic, retrieval, ridge
from contrastive_jax.evaluate.evaluations import EVALUATIONS, freeze
from contrastive_jax.evaluate.selection import holdout_split
from contrastive_jax.linear_eval import judge as judge_linearly
from contrastive_jax.train.run_directory import RunDirectory

TRAIN, TEST = load("digits", "train"), load("digits", "test")
ONE = {"penalties": (1.0,), "repeats": 1}
FAST = {
    "knn": {"ks": (3, 20)},
    "logistic": {"penalties": (0.01, 100.0), "repeats": 2},
    "ridge": {"penalties": (0.01, 100.0), "repeats": 2},
    "few_shot": {"shots": (1, 4), "shares": (0.1,), "repeats": 3},
    "calibration": ONE | {"bins": 7},
    "early_exit": ONE,
    "retrieval": {"repeats": 2},
    "geometry": {"repeats": 2},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return tiny_run(tmp_path_factory.mktemp("run") / "run")


@pytest.fixture
def copy(run, tmp_path):
    return shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("features", "evaluate*"))


def judge(run, *names, **fields):
    """The records of the evaluations."""
    config = evaluations(*names)
    config.update(pretrained=str(run), **{name: FAST[name] for name in names})
    config.update(fields)
    evaluate.judge(config.to_dict())
    return {name: json.loads((run / config.folder / f"{name}.json").read_text()) for name in names}


@pytest.fixture(scope="module")
def found(run):
    """All records, and the features by part."""
    records = judge(run, *EVALUATIONS)
    folders = {part: next((run / "features").glob(f"*-{part}")) for part in ("train", "test")}
    features = {
        part: {file.stem: np.load(file) for file in folder.glob("*.npy")} for part, folder in folders.items()
    }
    return records, features


def value(found, name, row, column):
    return found[0][name]["figures"][row][column]["value"]


def percent(guess):
    return 100 * np.mean(guess == TEST.labels)


def test_a_record_says_what_was_judged_and_with_what(found, run):
    for name, record in found[0].items():
        assert record["evaluation"] == name and record["step"] == 55 and record["classes"] == 10
        assert record["images"]["test"] == {"source": "digits", "split": "test", "count": len(TEST)}
        assert record["settings"][name].keys() == {*evaluations(name)[name]}
        assert record["settings"].keys() & EVALUATIONS.keys() == {name}
        assert record["environment"]["packages"]["jax"] and record["seconds"] >= 0


def test_neighbours_are_those_of_the_linear_evaluation(found, run):
    config = evaluation()
    config.update(pretrained=str(run), folder="neighbours", linear=False, knn=(3, 20))
    judge_linearly(config.to_dict())
    top1 = json.loads((run / "neighbours" / "summary.json").read_text())["top1"]
    for exit in ("block1", "final"):
        for k in (3, 20):
            assert value(found, "knn", exit, f"{k}-NN") == pytest.approx(top1[f"{k}-NN, {exit}"])
        x, y = (found[1][part][exit] for part in ("train", "test"))
        means = few_shot.prototypes(x, TRAIN.labels, classes=10)
        assert value(found, "knn", exit, "prototypes") == pytest.approx(
            percent(few_shot.most_similar(means, y))
        )
        euclid = value(found, "knn", exit, "prototypes, Euclidean")
        assert euclid == pytest.approx(percent(few_shot.nearest(means, y)))


@pytest.mark.parametrize("name, fit", [("logistic", logistic.fit), ("ridge", ridge.fit)])
def test_the_penalty_is_chosen_on_the_slice_of_each_seed(found, name, fit):
    train, test = (found[1][part]["final"] for part in ("train", "test"))
    expected = []
    for seed in range(2):
        kept, held = holdout_split(TRAIN.labels, 0.1, seed)
        heads = fit(train[kept], TRAIN.labels[kept], classes=10, penalties=(0.01, 100.0))
        right = [
            np.mean(np.argmax(train[held] @ k + b, axis=1) == TRAIN.labels[held])
            for k, b in zip(np.asarray(heads["kernel"]), np.asarray(heads["bias"]))
        ]
        best = (0.01, 100.0)[int(np.argmax(right))]
        chosen = found[0][name]["details"]["chosen"][seed]["exits"]["final"]
        assert chosen["penalty"] == best
        assert [*chosen["held_out"].values()] == pytest.approx([100 * share for share in right])
        head = fit(train, TRAIN.labels, classes=10, penalties=(best,))
        kernel, bias = (np.asarray(head[name])[0] for name in ("kernel", "bias"))
        expected.append(percent(np.argmax(test @ kernel + bias, axis=1)))
    figure = found[0][name]["figures"]["final"]["top-1"]
    assert figure["by_seed"] == pytest.approx(expected) and figure["value"] == pytest.approx(
        np.mean(expected)
    )
    low, high = figure["interval"]
    assert low < figure["value"] < high and "ensemble" in found[0][name]["figures"]


def test_few_shots(found):
    train, test = (found[1][part]["final"] for part in ("train", "test"))
    for column, draws in (
        ("4-shot", few_shot.draw_shots(TRAIN.labels, 4, classes=10, draws=3)),
        ("10 %", few_shot.draw_share(TRAIN.labels, 0.1, classes=10, draws=3)),
    ):
        expected = few_shot.repeated(
            few_shot.by_prototypes, train, TRAIN.labels, test, TEST.labels, draws=draws
        )
        figure = found[0]["few_shot"]["figures"]["final"][column]
        assert figure["by_seed"] == pytest.approx(expected.accuracies)
    assert found[0]["few_shot"]["details"]["labels"] == {
        "1-shot": 10,
        "4-shot": 40,
        "10 %": pytest.approx(144, abs=5),
    }


def linear_logits(found, exit):
    """Of logistic regression that has not seen the slice, there and on the test set."""
    kept, held = holdout_split(TRAIN.labels, 0.1, 0)
    train, test = (found[1][part][exit] for part in ("train", "test"))
    head = logistic.fit(train[kept], TRAIN.labels[kept], classes=10, penalties=(1.0,))
    kernel, bias = np.asarray(head["kernel"])[0], np.asarray(head["bias"])[0]
    return train[held] @ kernel + bias, TRAIN.labels[held], test @ kernel + bias


def test_calibration_is_fitted_to_a_slice_that_the_classifier_has_not_seen(found):
    cases = {exit: linear_logits(found, exit) for exit in ("block1", "final")}
    for exit, (held, labels, test) in cases.items():
        expected = calibration.calibrate(held, labels, test, TEST.labels, bins=7)
        row = {name: figure["value"] for name, figure in found[0]["calibration"]["figures"][exit].items()}
        assert row["T"] == pytest.approx(expected.temperature, rel=1e-3)
        for mark, scores in (("", expected.before), ("*", expected.after)):
            assert [row[name + mark] for name in ("ECE", "NLL", "Brier")] == pytest.approx(scores, rel=2e-2)
        assert row["top-1"] == pytest.approx(percent(np.argmax(test, axis=1)))
    held, test = ({exit: case[i] for exit, case in cases.items()} for i in (0, 2))
    both = calibration.ensemble(held, labels, test, TEST.labels, bins=7)
    for mean, ways in both.items():
        words = mean.replace("_", " ")
        assert value(found, "calibration", words, "NLL*") == pytest.approx(
            ways.average_then_calibrate.after.nll, rel=1e-3
        )
        assert value(found, "calibration", f"{words} of calibrated exits", "NLL*") == pytest.approx(
            ways.calibrate_then_average.nll, rel=1e-3
        )
    table = found[0]["calibration"]["details"]["reliability_of_seed_0"]["final"]
    assert sum(table["count"]) == len(TEST) and len(table["count"]) == 7


def test_the_runs_own_classifiers_are_calibrated_as_their_logits_are(found, run):
    own = FAST["calibration"] | {"classifier": "own"}
    record = judge(run, "calibration", folder="own", calibration=own)["calibration"]
    _, held = holdout_split(TRAIN.labels, 0.1, 0)
    train, test = (found[1][part]["logits of final"] for part in ("train", "test"))
    expected = calibration.calibrate(train[held], TRAIN.labels[held], test, TEST.labels, bins=7)
    row = {name: figure["value"] for name, figure in record["figures"]["final"].items()}
    assert row["T"] == pytest.approx(expected.temperature)
    assert (row["ECE"], row["NLL*"]) == pytest.approx((expected.before.ece, expected.after.nll))


def test_early_exit_counts_the_network(found):
    """Two layers: 64 x 12 and 12 x 12 multiply-adds, and a classifier of 12 x 10 on each."""
    figures = found[0]["early_exit"]["figures"]
    costs = {row: 1e6 * cells["million multiply-adds"]["value"] for row, cells in figures.items()}
    assert costs["block1"] == 768 + 120 and costs["final"] == 768 + 144 + 120
    assert costs["ensemble"] == 768 + 144 + 240
    assert figures["block1"]["percent of final"]["value"] == pytest.approx(100 * 888 / 1032)
    row = figures["early, at most 1 points lost on the slice"]
    assert row["percent of final"]["value"] == pytest.approx(
        100 * 1e6 * row["million multiply-adds"]["value"] / 1032
    )
    curve = found[0]["early_exit"]["details"]["curve_of_seed_0"]
    full = next(point for point in curve if point["threshold"] > 1)
    assert full["test"] == pytest.approx([figures["final"]["top-1"]["value"], 1032])
    enough = [p for p in curve if p["slice"][0] >= full["slice"][0] - 1]
    assert row["threshold"]["value"] in [
        p["threshold"] for p in enough if p["slice"][1] == min(q["slice"][1] for q in enough)
    ]


def test_retrieval_and_geometry_see_the_whole_test_set(found):
    x = found[1]["test"]["block1"]
    expected = retrieval.ranked(x, TEST.labels)
    assert value(found, "retrieval", "block1", "MAP@R") == pytest.approx(100 * expected.map_at_r.mean())
    clusters = [retrieval.nmi(x, TEST.labels, seed=seed) for seed in range(2)]
    assert found[0]["retrieval"]["figures"]["block1"]["NMI"]["by_seed"] == pytest.approx(clusters)
    x = jnp.asarray(x / np.linalg.norm(x, axis=1, keepdims=True))
    assert value(found, "geometry", "block1", "uniformity") == pytest.approx(
        float(hypersphere.uniformity(x)), rel=1e-4
    )
    row = found[0]["geometry"]["figures"]["block1"]
    assert row["D"]["value"] == pytest.approx(row["negative alignment"]["value"] - row["alignment"]["value"])
    assert row["alignment"]["value"] > 0 and len({*row["alignment"]["by_seed"]}) == 2


def count_extractions(monkeypatch):
    calls = []
    still = freeze.still
    monkeypatch.setattr(freeze, "still", lambda *args: calls.append(1) or still(*args))
    return calls


def test_features_are_extracted_once_for_all_evaluations_of_a_run(copy, monkeypatch, capsys):
    calls = count_extractions(monkeypatch)
    first = judge(copy, "knn", "few_shot")
    assert len(calls) == 2
    again = judge(copy, "knn", folder="again")
    assert len(calls) == 2 and again["knn"]["figures"] == first["knn"]["figures"]
    judge(copy, "knn", folder="other", test_split="train[:300]")
    assert len(calls) == 3, "the training images have their features"
    judge(copy, "knn", folder="unkept", keep_features=False)
    assert len(calls) == 5
    assert "computing" not in capsys.readouterr().out


def test_stale_and_damaged_features_are_noticed(copy, monkeypatch, capsys):
    calls = count_extractions(monkeypatch)
    before = judge(copy, "knn")
    monkeypatch.setattr(freeze, "weights", lambda state: 1)
    judge(copy, "knn")
    assert len(calls) == 4 and capsys.readouterr().out.count("holds features of something else, weights") == 2
    (file,) = (copy / "features").glob("*test/final.npy")
    np.save(file, np.load(file)[::-1])
    assert judge(copy, "knn")["knn"]["figures"] == before["knn"]["figures"]
    assert len(calls) == 5 and "is damaged (final not as written)" in capsys.readouterr().out


def test_choices_are_made_on_images_that_the_encoder_has_not_seen(copy):
    record = judge(copy, "ridge", train_split="train[:80%]", held_split="train[80%:]")["ridge"]
    assert {name: part["count"] for name, part in record["images"].items()} == {
        "train": len(load("digits", "train[:80%]")),
        "test": len(TEST),
        "held": len(load("digits", "train[80%:]")),
    }
    one, two = record["details"]["chosen"]
    assert one == two, "the slice does not depend on the seed"


@pytest.mark.parametrize(
    "fields, words",
    [
        ({"pretrained": ""}, "give the run to judge"),
        ({"pretrained": "/nowhere"}, "is not a run"),
        ({"step": 7}, "holds no checkpoint of step 7"),
        ({"judged": "teachers"}, "did you mean 'teacher'"),
        ({"judged": "teacher"}, "has no teacher"),
        ({"holdout": 1.0}, "config.holdout is 1.0"),
        ({"holdout": 1e-4}, "too few to hold out"),
        ({"test_split": "tset"}, "did you mean 'test'"),
        ({"few_shot": {"shots": (1000,)}}, "too few for 1000 shots"),
        ({"few_shot": {"repeats": 1}}, "at least 2 draws"),
        ({"knn": {"ks": ()}}, "give knn.ks"),
        ({"knn": {"kss": (1,)}}, "did you mean 'ks'"),
        ({"ridge": {"grid": "tranfer"}}, "did you mean 'transfer'"),
        ({"calibration": {"classifier": "logistics"}}, "did you mean 'logistic'"),
    ],
)
def test_refusals(run, fields, words):
    names = [name for name in fields if name in EVALUATIONS] or ["knn"]
    with pytest.raises(InputError, match=words):
        judge(run, *names, **{"folder": "refused"} | fields)
    assert not (run / "refused").exists()


def test_an_unknown_evaluation_is_refused():
    with pytest.raises(InputError, match="no evaluation 'calibrate': did you mean 'calibration'"):
        evaluations("knn", "calibrate")


def test_a_run_without_a_checkpoint_is_refused(copy):
    shutil.rmtree(copy / "checkpoints")
    with pytest.raises(InputError, match="holds no checkpoint"):
        judge(copy, "knn")


def test_the_runs_own_classifier_knows_its_classes_alone(run, tmp_path):
    few = {
        f"{split}_{what}": getattr(images, what)[images.labels < 5]
        for split, images in (("train", TRAIN), ("test", TEST))
        for what in ("images", "labels")
    }
    np.savez(tmp_path / "few.npz", **few)
    own = {"calibration": FAST["calibration"] | {"classifier": "own"}}
    with pytest.raises(InputError, match="knows the classes of 'digits.*judge logistic regression"):
        judge(run, "calibration", folder="refused", source=f"npz:{tmp_path / 'few.npz'}", **own)


def test_images_without_labels_are_refused(run, tmp_path):
    for number in range(4):
        PIL.Image.fromarray(TEST.images[number, ..., 0]).save(tmp_path / f"{number}.png")
    with pytest.raises(InputError, match="no labels to judge with"):
        judge(run, "knn", folder="refused", source=f"folder:{tmp_path}")


def test_images_of_other_classes_than_the_training_images_are_refused():
    parts = {"train": freeze.Part("a", "train", TRAIN), "test": freeze.Part("a", "test", TEST)}
    freeze.check_parts(parts, 0.1)
    few = TRAIN.labels < 5
    fewer = dataclasses.replace(TRAIN, images=TRAIN.images[few], labels=TRAIN.labels[few], num_classes=5)
    with pytest.raises(InputError, match="'test' of 'a' has 10 classes, and the classifiers learn 5"):
        freeze.check_parts(parts | {"train": freeze.Part("a", "train", fewer)}, 0.1)


def test_a_run_that_trained_no_classifier(tmp_path):
    supcon = tiny_run(tmp_path / "supcon", "supcon")
    with pytest.raises(InputError, match="trained no classifier of its own"):
        judge(supcon, "early_exit", early_exit=ONE | {"classifier": "own"})


def test_another_evaluation_does_not_overwrite_a_record(copy):
    judge(copy, "knn")
    judge(copy, "knn")
    with pytest.raises(InputError, match=r"knn.json holds .* knn.ks .*: choose another --config.folder"):
        judge(copy, "knn", knn={"ks": (5,)})
    judge(copy, "few_shot", batch_size=512)


def test_the_encoder_is_frozen(copy):
    before = {file: file.read_bytes() for file in (copy / "checkpoints").rglob("*") if file.is_file()}
    judge(copy, "knn")
    assert before == {file: file.read_bytes() for file in (copy / "checkpoints").rglob("*") if file.is_file()}
    assert RunDirectory(copy).config()["method"]["name"] == "cross_entropy"
