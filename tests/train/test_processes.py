"""Two processes on localhost train to the parameters of one, with one log and one checkpoint."""

import pathlib
import socket

import numpy as np
import pytest
from commandline import TINY, final_state, lines, run, start

TRAIN = (*TINY, "--config.epochs=0.5")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def run_together(processes: int, workdir: pathlib.Path, devices: int = 1) -> None:
    coordinator = f"--coordinator=127.0.0.1:{free_port()}"
    started = [
        start(
            "main",
            *TRAIN,
            f"--workdir={workdir}",
            coordinator,
            f"--processes={processes}",
            f"--process={number}",
            devices=devices,
        )
        for number in range(processes)
    ]
    for process in started:
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


@pytest.mark.slow
def test_four_processes_of_two_devices_equal_one(tmp_path):
    run("main", *TRAIN, f"--workdir={tmp_path / 'one'}")
    run_together(4, tmp_path / "four", devices=2)
    check_same_end(tmp_path / "one", tmp_path / "four")
