"""A row of a small ledger is timed, shortened, trained, judged and recorded, as a user would have it."""

import json
import pathlib
import re

import commandline
import pytest

from contrastive_jax import linear_eval, main
from contrastive_jax.errors import InputError
from contrastive_jax.reproduction import ledger, results, run
from contrastive_jax.reproduction.budget import Costs, seconds, shortened
from contrastive_jax.reproduction.run import open_plan, value_of

TOML = """
title = "Digits"
[defaults]
evaluation = "quick"
metric = "linear, final"
judge = "protocol.epochs=5 knn=()"
[terms]
"SelfCon-S" = { config = "selfcon_s", set = "epochs=100000.0 batch_size=128 monitor.every_epochs=0.0" }
"tiny" = { network = "resnet8", set = "network.width=4 network.subnetworks=('block1',)" }
"digits" = { data = "digits" }
[[tables]]
name = "Table 1"
title = "Digits"
columns = ["digits"]
rows = [["SelfCon-S, tiny", "99.9"]]
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "ledger").mkdir()
    (tmp_path / "ledger" / "mine.toml").write_text(TOML)
    return tmp_path / "ledger"


@pytest.mark.slow  # processes that compile, and a budget that is used up
def test_a_row_runs_within_its_budget_and_is_recorded_once(folder, tmp_path):
    common = (f"--ledger={folder}", "--paper=mine", "--table=1", "--row=selfcon-s,tiny,digits")
    given = (*common, "--run", f"--workdir={tmp_path / 'work'}", "--set=precision=float32", "--seed=3")
    refused = commandline.error("reproduce", *given, "--budget=1s")
    advised = re.search(r"does not buy one epoch.*Give --budget=(\d+)min or more", refused)
    assert advised and not (tmp_path / "work").exists()

    budget = f"{int(advised[1]) + 1}min"  # a minute for a machine that is busier now
    output = commandline.run("reproduce", *given, f"--budget={budget}")
    assert "a step takes" in output and "SCALED:" in output
    assert "All else is as published, but for precision=float32." in output

    (line,) = (folder / "results.jsonl").read_text().splitlines()
    entry = json.loads(line)
    config = json.loads((tmp_path / "work/run/config.json").read_text())
    judged = json.loads((tmp_path / "work/run/linear_eval/summary.json").read_text())
    assert 1 <= entry["epochs"] < 100_000 == entry["published_epochs"]
    assert config["epochs"] == entry["epochs"] and config["batch_size"] == 128
    assert entry["value"] == judged["top1"]["linear, final"] > 20
    assert entry["changed"] == "precision=float32" and entry["seed"] == 3 == config["seed"]
    assert entry["hardware"] and entry["versions"]["jax"] and entry["date"] and entry["published"] == "99.9"
    assert entry["budget"] == budget and 0 < sum(entry["seconds"].values()) < 2 * seconds(budget)

    assert "not run" not in commandline.run("reproduce", *common)
    for flags, words in (
        ([f"--budget={budget}"], "choose another --workdir or --seed"),
        (["--budget=9h"], f"budget is '{budget}' there"),
        ([f"--budget={budget}", "--epochs=2"], "give --budget or --epochs"),
    ):
        assert words in commandline.error("reproduce", *given, *flags)
    assert len((folder / "results.jsonl").read_text().splitlines()) == 1


def test_a_plan_is_resumed_and_another_runs_directory_is_refused(folder, tmp_path):
    (row,) = ledger.read(folder, "mine").rows
    given = {"budget": "2h", "asked": 0, "seed": 0, "changed": ""}
    plan = open_plan(tmp_path / "new", row, **given)
    assert plan["epochs"] is None and not plan["recorded"] and not (tmp_path / "new").exists()
    (tmp_path / "new").mkdir()
    (tmp_path / "new/plan.json").write_text(json.dumps(plan | {"epochs": 7.0}))
    assert open_plan(tmp_path / "new", row, **given)["epochs"] == 7.0
    with pytest.raises(InputError, match="seed is 0 there and 1 now"):
        open_plan(tmp_path / "new", row, **given | {"seed": 1})
    with pytest.raises(InputError, match="is not empty and holds no run of the ledger"):
        open_plan(folder, row, **given)


@pytest.fixture
def trained(monkeypatch):
    """The configs that are trained and judged, without training: a run has two starts, on one device and on two."""
    configs = []

    def pretrain(config, *, workdir):
        configs.append(config)
        for devices in (1, 2):
            start = {"backend": "gpu", "devices": devices, "device": "H100"}
            start |= {"python": "3", "packages": {"jax": "1"}, "git": f"commit{devices}"}
            (run := pathlib.Path(workdir)).mkdir(exist_ok=True)
            with (run / "environment.jsonl").open("a") as lines:
                lines.write(json.dumps(start) + "\n")
        (run / "summary.json").write_text(json.dumps({"seconds": 5.0}))

    def judge(config):
        configs.append(config)
        (judged := pathlib.Path(config["pretrained"]) / config["folder"]).mkdir()
        found = {"top1": {"20-NN, final": 7.0, "linear, final": 40.0}, "seconds": 2.0}
        (judged / "summary.json").write_text(json.dumps(found))

    monkeypatch.setattr(main, "pretrain", pretrain)
    monkeypatch.setattr(linear_eval, "judge", judge)
    return configs


@pytest.mark.parametrize("asked, seed, changed", [(20, 3, "precision=float32"), (0, 0, "")])
def test_a_row_trains_what_was_asked_and_records_what_was_trained(
    folder, tmp_path, trained, asked, seed, changed
):
    (row,) = ledger.read(folder, "mine").rows
    given = dict(workdir=str(tmp_path / "work"), epochs=asked, seed=seed, changed=changed)
    run.run_row(row, folder, **given)
    epochs = asked or 100_000
    config, evaluation = trained
    assert (config["epochs"], config["seed"], config["batch_size"]) == (epochs, seed, 128)
    assert config["precision"] == ("float32" if changed else "auto")
    assert evaluation["pretrained"] == str(tmp_path / "work" / "run")
    assert evaluation["protocol"]["epochs"] == 5 and not evaluation["controls"]

    (entry,) = results.read(folder)
    assert (entry["epochs"], entry["published_epochs"]) == (epochs, 100_000)
    assert (entry["seed"], entry["changed"], entry["budget"]) == (seed, changed, "")
    assert entry["value"] == 40 and entry["published"] == "99.9"
    assert entry["seconds"] == {"pretraining": 5.0, "evaluation": 2.0}
    assert (entry["hardware"], entry["commit"]) == ("2 x H100", "commit2"), (
        "those of the start that finished it"
    )
    assert entry["versions"] == {"python": "3", "jax": "1"}
    with pytest.raises(InputError, match="is finished and in"):
        run.run_row(row, folder, **given)
    assert len(results.read(folder)) == 1 and len(trained) == 2


def test_too_few_epochs_for_the_published_schedule_are_refused(monkeypatch, capsys):
    """SelfCon's cosine moves per epoch and ends at a thousandth of the peak: in one epoch, it trains at that."""
    flags = ["--config=configs/selfcon_s.py:digits,resnet8", "--config.batch_size=128"]
    published = main.COMMAND.composed(flags)
    costs = Costs(spent=20, start=20, step=1.0, steps_per_epoch=11, evaluation=10)
    monkeypatch.setattr(run, "measure", lambda experiment, evaluation: costs)
    assert run.affordable_epochs(published, {}, "90s") == 3
    assert "a step takes 1 s, an epoch of 11 steps 11 s" in capsys.readouterr().out
    with pytest.raises(
        InputError, match="buys 1 of 1000 epochs, in which the published schedule does not reach half"
    ):
        run.affordable_epochs(published, {}, "65s")


def test_what_differs_from_the_published_run_is_said():
    published = {"epochs": 200.0, "schedule": {"milestones": (120, 160), "decay": 0.1}}
    assert run.plan_in_words(published, published, "") == "as published: 200 epochs."
    assert run.plan_in_words(published, published, "seed=1") == "as published: 200 epochs, but for seed=1."
    assert run.plan_in_words(published, shortened(published, 20.0), "precision=float32") == (
        "SCALED: 20 of 200 published epochs; the schedule shrinks in proportion (milestones (120, 160) -> (12, 16))."
        " All else is as published, but for precision=float32."
    )


def test_the_published_kind_of_number_is_taken():
    summary = {"top1": {"linear, final": 1.0, "20-NN, final": 2.0}, "top5": {"final": 3.0}}
    metrics = ("linear, final", "20-NN, final", "top-5, final")
    assert [value_of(summary, metric) for metric in metrics] == [1.0, 2.0, 3.0]
    own = {
        "top1": {"own classifier, final": 4.0},
        "own_classifier": {"top1": {"final": 4.0}, "top5": {"final": 5.0}},
    }
    metrics = ("own classifier, final", "own classifier top-5, final")
    assert [value_of(own, metric) for metric in metrics] == [4.0, 5.0]
    with pytest.raises(
        InputError, match="measured no 'linear, block1', only linear, final, 20-NN, final, top-5, final"
    ):
        value_of(summary, "linear, block1")
