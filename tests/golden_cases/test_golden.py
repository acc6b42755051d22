"""The authors' own numbers: every case of a folder in the format of `golden/FORMAT.md`, values and gradients.

`--golden-dir` names another folder. A case is dispatched on its family to `golden_runners/<family>.py`, and
there on its fields and array names; what no runner knows is reported as not covered, never guessed.
"""

import importlib
import importlib.util
import pathlib

import golden_report
import jax
import numpy as np
import pytest
from golden_case import Case, NotCovered, check, load_cases

HERE = pathlib.Path(__file__).parent.parent


def pytest_generate_tests(metafunc):
    folder = metafunc.config.getoption("--golden-dir") or HERE / "golden" / "losses"
    if not (folder / "manifest.json").exists():
        pytest.fail(f"{folder} holds no manifest.json: give --golden-dir a folder of golden cases.")
    cases = load_cases(folder)
    metafunc.parametrize("fields, folder", [(c, folder) for c in cases], ids=[c["id"] for c in cases])


def test_case(fields, folder, request):
    if fields["target"] == "none":
        pytest.skip(f"{fields['id']} has no target: {fields['reason']}")
    with golden_report.recorded(request.node, fields["family"], fields["id"]):
        run(fields, folder)


def run(fields, folder):
    name = f"golden_runners.{fields['family']}"
    if not fields["family"].isidentifier() or importlib.util.find_spec(name) is None:
        raise NotCovered(f"no runner for the family '{fields['family']}'")
    runner = importlib.import_module(name)
    path = folder / fields["file"]
    if path.suffix != ".npz":
        return runner.run(fields, path)
    with np.load(path) as arrays, jax.enable_x64(fields["dtype"] == "float64"):
        case = Case(fields, dict(arrays))
        check(case, runner.plan(case))
