"""The script for machines with a GPU, rehearsed at a tiny size, so that no minute on one is spent on a typo."""

import os
import pathlib
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).parents[2] / "benchmarks/on_gpu.sh"


def on_gpu(*arguments) -> str:
    """What the script prints; fails with its end where a step of it fails."""
    environment = os.environ | {"SIZE": "tiny", "PYTHON": sys.executable}
    done = subprocess.run(
        [str(SCRIPT), *map(str, arguments)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    return done.stdout


@pytest.mark.slow
def test_correctness_is_checked(tmp_path):
    printed = on_gpu("check", tmp_path)
    assert "1 of 1 methods agree" in printed
    assert "losses are the same everywhere" in printed
    assert (tmp_path / "quickstart/linear_eval/summary.json").exists()


@pytest.mark.slow
def test_speeds_are_measured(tmp_path):
    printed = on_gpu("speed", tmp_path)
    assert "views/s" in printed and "N = 256, forward + backward" in printed


@pytest.mark.slow
def test_a_run_is_trained_and_judged(tmp_path):
    small = ("--config.network.width=4", "--config.batch_size=64", "--config.monitor.every_epochs=0.0")
    gray = ("--config.augment.mean=(0.5,)", "--config.augment.std=(0.5,)")
    on_gpu("train", tmp_path, "digits", "selfcon_s", "0.2", *small, *gray)
    assert (tmp_path / "selfcon_s/linear_eval/summary.json").exists()


def test_an_unknown_piece_is_refused(tmp_path):
    done = subprocess.run([str(SCRIPT), "speeed", str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "check, speed and train" in done.stderr
