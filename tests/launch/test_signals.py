"""The launch scripts pass signals on, wait for what is being saved, and hand over its status."""

import os
import pathlib
import signal
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent
RUN = """#!/usr/bin/env bash
# Stands in for a run, which saves when it is told to stop; under its real name it is srun's or Python's argument.
trap 'sleep 0.5; echo saved >> "$LOG"; exit 75' TERM
echo started >> "$LOG"
for _ in {1..200}; do sleep 0.05; done
"""


def stand_in(folder: pathlib.Path, name: str, text: str) -> str:
    file = folder / name
    file.write_text(text)
    file.chmod(0o755)
    return str(file)


@pytest.mark.parametrize("script, runs", [("multi_gpu.sh", 2), ("slurm.sh", 1), ("local.sh", 1)])
def test_a_signal_is_passed_on_and_awaited(script, runs, tmp_path):
    log = tmp_path / "log"
    python = stand_in(tmp_path, "python", RUN)
    stand_in(tmp_path, "srun", '#!/usr/bin/env bash\nexec "$@"\n')
    stand_in(tmp_path, "scontrol", '#!/usr/bin/env bash\necho "$@" >> "$LOG"\n')
    environment = os.environ | {
        "LOG": str(log),
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PYTHON": python,
        "GPUS": str(runs),
        "SLURM_SUBMIT_DIR": str(ROOT),
        "SLURM_JOB_ID": "123",
    }
    process = subprocess.Popen([ROOT / "launch" / script], env=environment, start_new_session=True)
    until = time.monotonic() + 20
    while not log.exists() or log.read_text().count("started") < runs:
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 75
    expected = ["started"] * runs + ["saved"] * runs + ["requeue 123"] * (script == "slurm.sh")
    assert log.read_text().splitlines() == expected


def test_a_run_that_ends_by_itself_is_not_queued_again(tmp_path):
    log = tmp_path / "log"
    stand_in(tmp_path, "srun", "#!/usr/bin/env bash\nexit 3\n")
    stand_in(tmp_path, "scontrol", '#!/usr/bin/env bash\necho "$@" >> "$LOG"\n')
    environment = os.environ | {"LOG": str(log), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    environment |= {"SLURM_SUBMIT_DIR": str(ROOT), "SLURM_JOB_ID": "123"}
    assert subprocess.run([ROOT / "launch" / "slurm.sh"], env=environment).returncode == 3
    assert not log.exists()
