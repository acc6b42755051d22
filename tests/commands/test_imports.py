"""What the training path must not import, and what every config file must be."""

import ast
import subprocess
import sys

import numpy as np
import pytest
from commandline import ROOT, TINY

CONFIGS = sorted((ROOT / "configs").glob("*.py"))


def python(code: str) -> str:
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_training_imports_no_tensorflow(tmp_path):
    arguments = ["main", *TINY, f"--workdir={tmp_path / 'run'}", "--config.epochs=0.1"]
    code = f"""
import sys, runpy
sys.argv = {arguments!r}
runpy.run_module("contrastive_jax.main", run_name="__main__")
print("tensorflow" in sys.modules, "torch" in sys.modules)
"""
    assert python(code).split()[-2:] == ["False", "False"]


def test_evaluation_imports_no_tensorflow():
    code = "import sys, contrastive_jax.linear_eval; print('tensorflow' in sys.modules)"
    assert python(code).strip() == "False"


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.name)
def test_config_states_its_command_and_builds(file):
    tree = ast.parse(file.read_text())
    docstring = ast.get_docstring(tree) or ""
    assert f"configs/{file.name}" in docstring, "the docstring states the command"
    space: dict = {}
    exec(compile(tree, str(file), "exec"), space)
    config = space["get_config"]().to_dict()
    if "method" in config:
        from contrastive_jax.experiment import assemble

        parts = assemble(config)
        assert (
            parts.method(num_classes=10, labels=np.arange(2000) % 10).views >= 1
            and parts.learning_rate_schedule(100)(0) >= 0
        )
    else:
        from contrastive_jax.linear_eval import parts

        parts({**config, "pretrained": "somewhere"})


def test_no_file_is_a_toolbox_without_a_name():
    assert not list((ROOT / "contrastive_jax").rglob("utils.py"))
