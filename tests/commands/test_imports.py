"""What the training path must not import."""

import subprocess
import sys

from commandline import ROOT, TINY


def python(code: str) -> str:
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_training_imports_no_tensorflow(tmp_path):
    arguments = [*TINY, f"--workdir={tmp_path / 'run'}", "--config.epochs=0.1"]
    code = f"""
import sys
from contrastive_jax.main import COMMAND
assert COMMAND.main({arguments!r}) == 0
print("tensorflow" in sys.modules, "torch" in sys.modules)
"""
    assert python(code).split()[-2:] == ["False", "False"]


def test_evaluation_imports_no_tensorflow():
    code = "import sys, contrastive_jax.linear_eval; print('tensorflow' in sys.modules)"
    assert python(code).strip() == "False"


def test_no_file_is_a_toolbox_without_a_name():
    assert not list((ROOT / "contrastive_jax").rglob("utils.py"))
