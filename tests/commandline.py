"""Starts the project's commands as a user would, from tests."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import jax
import numpy as np

from contrastive_jax.train.checkpoint import Checkpoints

ROOT = pathlib.Path(__file__).parent.parent
TINY = (
    "--config=configs/selfcon_s.py:digits,resnet8",
    "--config.network.width=4",
    "--config.network.subnetworks=('block1',)",
    "--config.batch_size=128",
    "--config.epochs=1.0",  # 11 steps
    "--config.log.every_steps=1",
    "--config.checkpoint.every_epochs=0.28",  # every third step
    "--config.monitor.every_epochs=0.0",
)


MODULES = ("main", "linear_eval")
"""The commands that are also modules to run; the others are `python -m contrastive_jax COMMAND`."""


def start(command: str, *args: str, devices: int = 1, optimized: bool = False) -> subprocess.Popen:
    """`optimized`: compiled as for a user, for runs whose steps cost more than their compilation."""
    environment = os.environ | {"JAX_NUM_CPU_DEVICES": str(devices), "PYTHONPATH": str(ROOT)}
    if optimized:
        environment["XLA_FLAGS"] = environment["XLA_FLAGS"].replace("--xla_backend_optimization_level=0", "")
    program = [f"contrastive_jax.{command}"] if command in MODULES else ["contrastive_jax", command]
    words = [sys.executable, "-m", *program, *args]
    return subprocess.Popen(
        words, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def run(command: str, *args: str, status: int = 0, **options) -> str:
    """Output of a command that must end with `status`."""
    process = start(command, *args, **options)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == status, output
    return output


def error(command: str, *args: str, **options) -> str:
    """The one sentence with which a command refuses its input; there must be no traceback."""
    output = run(command, *args, status=2, **options)
    assert "Traceback" not in output, output
    lines = [line for line in output.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, output
    return lines[0]


def lines(workdir: pathlib.Path) -> list[dict]:
    file = workdir / "metrics.jsonl"
    if not file.exists():
        return []
    return [json.loads(text) for text in file.read_text().split("\n")[:-1]]


def signal_after(process: subprocess.Popen, workdir: pathlib.Path, step: int, number: int) -> str:
    """Sends the signal as soon as the step is logged, and returns the output; fails where the process ends before."""
    while not any(line["step"] >= step for line in lines(workdir)):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.002)
    process.send_signal(number)
    return process.communicate(timeout=30)[0]


def kill_after(process: subprocess.Popen, workdir: pathlib.Path, step: int) -> None:
    """SIGKILL as soon as the step is logged; fails where the process ends before."""
    signal_after(process, workdir, step, signal.SIGKILL)


def final_state(workdir: pathlib.Path) -> dict[str, np.ndarray]:
    """All leaves of the newest checkpoint by path, whatever devices it was written on."""
    state = Checkpoints(workdir / "checkpoints", read_only=True).arrays()
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}
