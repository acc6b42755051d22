"""Two processes on localhost train to the parameters of one, with one log and one checkpoint."""

import pathlib
import signal
import socket
import subprocess

import numpy as np
import pytest
from commandline import TINY, final_state, lines, run, signal_after, start

TRAIN = (*TINY, "--config.epochs=0.5")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start_together(
    processes: int, workdir: pathlib.Path, devices: int = 1, options: tuple[str, ...] = ()
) -> list[subprocess.Popen]:
    coordinator = f"--coordinator=127.0.0.1:{free_port()}"
    return [
        start(
            "main",
            *TRAIN,
            *options,
            f"--workdir={workdir}",
            coordinator,
            f"--processes={processes}",
            f"--process={number}",
            devices=devices,
        )
        for number in range(processes)
    ]


def run_together(processes: int, workdir: pathlib.Path, devices: int = 1) -> None:
    for process in start_together(processes, workdir, devices):
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output


def check_same_end(one: pathlib.Path, several: pathlib.Path) -> None:
    expected, found = final_state(one), final_state(several)
    assert expected.keys() == found.keys()
    for path, leaf in expected.items():
        np.testing.assert_allclose(found[path], leaf, rtol=2e-3, atol=2e-5, err_msg=path)
    assert [line["step"] for line in lines(several)] == [line["step"] for line in lines(one)]
    np.testing.assert_allclose(lines(several)[-1]["loss"], lines(one)[-1]["loss"], rtol=1e-4)


def test_two_processes_equal_one(tmp_path):
    run("main", *TRAIN, f"--workdir={tmp_path / 'one'}")
    run_together(2, tmp_path / "two")
    check_same_end(tmp_path / "one", tmp_path / "two")


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_signal_to_one_process_saves_and_stops_both(number, tmp_path):
    workdir = tmp_path / "two"
    longer = ("--config.epochs=40.0", "--config.checkpoint.every_epochs=50.0")
    first, second = start_together(2, workdir, options=longer)
    told = signal_after(second, workdir, 3, number)
    other, _ = first.communicate(timeout=30)
    statuses = (75, 130 if number == signal.SIGINT else 75)
    assert (first.returncode, second.returncode) == statuses, other + told
    (saved,) = (workdir / "checkpoints").iterdir()
    for output in (other, told):
        assert f"interrupted: the same command goes on from step {saved.name}." in output
    assert lines(workdir)[-1]["step"] == int(saved.name) and not (workdir / "summary.json").exists()


@pytest.mark.slow
def test_four_processes_of_two_devices_equal_one(tmp_path):
    run("main", *TRAIN, f"--workdir={tmp_path / 'one'}")
    run_together(4, tmp_path / "four", devices=2)
    check_same_end(tmp_path / "one", tmp_path / "four")
