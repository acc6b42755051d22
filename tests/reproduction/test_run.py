"""A row of a small ledger is timed, shortened, trained, judged and recorded, as a user would have it."""

import json

import commandline
import pytest

from contrastive_jax.errors import InputError
from contrastive_jax.reproduction import ledger
from contrastive_jax.reproduction.run import open_plan, value_of

TOML = """
title = "Digits"
[defaults]
evaluation = "quick"
metric = "linear, final"
judge = "protocol.epochs=5 knn=()"
epochs = 1000
[terms]
"SelfCon-S" = { config = "selfcon_s", set = "network.width=4 network.subnetworks=('block1',) batch_size=128 log.every_steps=5 monitor.every_epochs=0.0" }
"tiny" = { network = "resnet8" }
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


@pytest.mark.slow
def test_a_row_runs_within_its_budget_and_is_recorded_once(folder, tmp_path):
    common = (f"--ledger={folder}", "--paper=mine", "--table=1", "--row=selfcon-s,tiny,digits")
    given = (*common, "--run", f"--workdir={tmp_path / 'work'}", "--set=seed=3 precision=float32")
    output = commandline.run("reproduce", *given, "--budget=60s")
    assert "a step takes" in output and "SCALED:" in output and "All else is as published" in output

    (line,) = (folder / "results.jsonl").read_text().splitlines()
    entry = json.loads(line)
    config = json.loads((tmp_path / "work/run/config.json").read_text())
    judged = json.loads((tmp_path / "work/run/linear_eval/summary.json").read_text())
    assert 1 <= entry["epochs"] < 1000 and entry["published_epochs"] == 1000
    assert config["epochs"] == entry["epochs"] and config["batch_size"] == 128
    assert entry["value"] == judged["top1"]["linear, final"] > 20
    assert entry["changed"] == "seed=3 precision=float32" and entry["seed"] == 3 == config["seed"]
    assert entry["hardware"] and entry["versions"]["jax"] and entry["date"] and entry["published"] == "99.9"
    assert sum(entry["seconds"].values()) < 60

    assert "not run" not in commandline.run("reproduce", *common)
    assert "choose another --workdir or --seed" in commandline.error("reproduce", *given, "--budget=60s")
    assert "budget is '60s' there" in commandline.error("reproduce", *given, "--budget=2h")
    other = [*common, "--run", "--budget=1s", f"--workdir={tmp_path / 'other'}"]
    assert "does not buy one epoch" in commandline.error("reproduce", *other)
    assert not (tmp_path / "other").exists() and len((folder / "results.jsonl").read_text().splitlines()) == 1


def test_a_plan_is_resumed_and_another_runs_directory_is_refused(folder, tmp_path):
    (row,) = ledger.read(folder, "mine").rows
    given = {"budget": "2h", "seed": 0, "changed": ""}
    plan = open_plan(tmp_path / "new", row, **given)
    assert plan["epochs"] is None and not plan["recorded"] and not (tmp_path / "new").exists()
    (tmp_path / "new").mkdir()
    (tmp_path / "new/plan.json").write_text(json.dumps(plan | {"epochs": 7.0}))
    assert open_plan(tmp_path / "new", row, **given)["epochs"] == 7.0
    with pytest.raises(InputError, match="seed is 0 there and 1 now"):
        open_plan(tmp_path / "new", row, **given | {"seed": 1})
    with pytest.raises(InputError, match="is not empty and holds no run of the ledger"):
        open_plan(folder, row, **given)


def test_the_published_kind_of_number_is_taken():
    summary = {"top1": {"linear, final": 1.0, "20-NN, final": 2.0}, "top5": {"final": 3.0}}
    metrics = ("linear, final", "20-NN, final", "top-5, final")
    assert [value_of(summary, metric) for metric in metrics] == [1.0, 2.0, 3.0]
    with pytest.raises(InputError, match="measured no 'linear, block1', only linear, final, 20-NN, final, top-5, final"):
        value_of(summary, "linear, block1")
