"""Killed and started again, a run ends with the same bits; and it never eats another run."""

import json
import re
import signal

import numpy as np
import pytest
from commandline import TINY, error, final_state, kill_after, lines, run, signal_after, start

from contrastive_jax.errors import InputError
from contrastive_jax.train.run_directory import RunDirectory

STEPS = 11


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "whole"
    run("main", *TINY, f"--workdir={workdir}")
    return workdir


def test_run_directory_is_a_complete_record(uninterrupted):
    config = json.loads((uninterrupted / "config.json").read_text())
    assert config["batch_size"] == 128 and config["network"]["width"] == 4 and config["method"]["tau"] == 0.1
    start = json.loads((uninterrupted / "environment.jsonl").read_text().splitlines()[0])
    assert start["packages"]["jax"] and start["devices"] == 1 and start["command"]
    assert "encoder" in (uninterrupted / "parameters.txt").read_text()
    assert list((uninterrupted / "tensorboard").glob("events.*"))
    summary = json.loads((uninterrupted / "summary.json").read_text())
    assert summary["steps"] == STEPS and summary["seconds"] > 0 and np.isfinite(summary["final"]["loss"])
    assert [line["step"] for line in lines(uninterrupted)] == list(range(1, STEPS + 1))
    assert {"loss", "learning_rate", "positives_share", "images_per_second"} <= lines(uninterrupted)[0].keys()


def resumed_equals(uninterrupted, workdir, kills):
    for step in kills:
        kill_after(start("main", *TINY, f"--workdir={workdir}"), workdir, step)
    run("main", *TINY, f"--workdir={workdir}")
    same_end(uninterrupted, workdir)


def same_end(uninterrupted, workdir):
    expected, found = final_state(uninterrupted), final_state(workdir)
    assert expected.keys() == found.keys()
    for path, leaf in expected.items():
        np.testing.assert_array_equal(found[path], leaf, err_msg=path)
    assert [line["step"] for line in lines(workdir)] == list(range(1, STEPS + 1))
    assert [line["loss"] for line in lines(workdir)] == [line["loss"] for line in lines(uninterrupted)]


def test_killed_twice_a_run_ends_with_the_same_bits(uninterrupted, tmp_path):
    resumed_equals(uninterrupted, tmp_path / "run", kills=(4, 8))


@pytest.mark.slow
@pytest.mark.parametrize("step", range(1, STEPS))
def test_killed_after_any_step_a_run_ends_with_the_same_bits(uninterrupted, tmp_path, step):
    resumed_equals(uninterrupted, tmp_path / "run", kills=(step,))


def test_finished_run_is_left_alone(uninterrupted):
    before = (uninterrupted / "summary.json").read_bytes()
    assert "finished" in run("main", *TINY, f"--workdir={uninterrupted}")
    assert (uninterrupted / "summary.json").read_bytes() == before


def test_workdir_of_another_config_is_refused_by_name(uninterrupted):
    message = error("main", *TINY, f"--workdir={uninterrupted}", "--config.method.tau=0.2")
    assert "method.tau" in message and "0.1" in message and "0.2" in message


def test_a_run_that_kept_nothing_leaves_its_workdir_to_another_config(tmp_path):
    workdir = f"--workdir={tmp_path / 'run'}"
    message = error("main", *TINY, workdir, "--config.learning_rate.peak=1e30")
    assert "no checkpoint was written yet, and another config may take this --workdir" in message
    assert "nan" in (tmp_path / "run" / "failed.txt").read_text()
    run("main", *TINY, workdir)
    assert not (tmp_path / "run" / "failed.txt").exists()
    assert [line["step"] for line in lines(tmp_path / "run")] == list(range(1, STEPS + 1))
    message = error("main", *TINY, workdir, "--config.learning_rate.peak=1e30")
    assert "learning_rate.peak" in message, "a run that kept something is not taken over"


@pytest.mark.parametrize("kept", ["checkpoints/3", "summary.json"])
def test_a_failure_after_a_result_frees_nothing(kept, tmp_path):
    record = RunDirectory(tmp_path / "run")
    with pytest.raises(ValueError, match="late"), record.open({"a": 1}):
        (record.path / kept).mkdir(parents=True)
        raise ValueError("late")
    assert not record.failure.exists()
    for _ in range(2):
        with pytest.raises(InputError, match="another config: a "):
            record.check({"a": 2})
        record.failure.write_text("another process failed here while the run went on\n")


def test_a_start_that_failed_or_was_interrupted_leaves_nothing_to_the_next(tmp_path):
    """Not even what it had decided for its machine."""
    record = RunDirectory(tmp_path / "run")
    with pytest.raises(KeyboardInterrupt), record.open({"a": 1}):
        assert record.resolved("steps_at_once", 4) == 4
        raise KeyboardInterrupt
    assert record.failure.read_text() == "KeyboardInterrupt\n"
    with record.open({"a": 2}):
        assert record.config() == {"a": 2} and record.resolved("steps_at_once", 7) == 7


@pytest.mark.parametrize(
    "number, status", [pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow), (signal.SIGTERM, 75)]
)
def test_a_signal_saves_the_next_step_and_the_same_command_goes_on(uninterrupted, tmp_path, number, status):
    workdir = tmp_path / "run"
    args = (*TINY, f"--workdir={workdir}", "--config.checkpoint.every_epochs=9.0")
    process = start("main", *args)
    output = signal_after(process, workdir, 4, number)
    assert process.returncode == status and "Traceback" not in output, output
    step = int(re.search(r"interrupted: the same command goes on from step (\d+)\.", output)[1])
    assert 4 <= step < STEPS and [folder.name for folder in (workdir / "checkpoints").iterdir()] == [
        str(step)
    ]
    assert lines(workdir)[-1]["step"] == step and not (workdir / "summary.json").exists()
    run("main", *args)
    same_end(uninterrupted, workdir)


def test_folder_that_is_no_run_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    assert "is not a run" in error("main", *TINY, f"--workdir={tmp_path}")


def test_corrupt_checkpoint_is_named(uninterrupted, tmp_path):
    import shutil

    broken = tmp_path / "broken"
    shutil.copytree(uninterrupted, broken)
    newest = max((broken / "checkpoints").iterdir(), key=lambda folder: int(folder.name))
    for file in newest.rglob("*"):
        if file.is_file():
            file.write_bytes(b"\0" * 16)
    message = error("linear_eval", "--config=configs/linear_eval.py:quick", f"--config.pretrained={broken}")
    assert "corrupt" in message and newest.name in message
