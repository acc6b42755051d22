"""The reference codes' own numbers for evaluation: every case of a folder in the format `golden/FORMAT.md`.

`--golden-dir` names another folder (the one with the manifest, or the one above `metrics`). A case is
dispatched on its group to `golden_metrics/<group>.py` and there on its stem, parameters and array names; what
no runner knows is reported as not covered, never guessed.
"""

import contextlib
import importlib
import importlib.util
import json
import pathlib

import golden_report
import jax
import numpy as np
import pytest
from golden_metric import MetricCase, NotCovered, compare

HERE = pathlib.Path(__file__).parent.parent


def pytest_generate_tests(metafunc):
    if "fields" not in metafunc.fixturenames:
        return
    folder = metafunc.config.getoption("--golden-dir") or HERE / "golden" / "metrics"
    folder = folder / "metrics" if (folder / "metrics" / "manifest.json").exists() else folder
    if not (folder / "manifest.json").exists():
        pytest.fail(f"{folder} holds no manifest.json: give --golden-dir a folder of golden cases.")
    cases = json.loads((folder / "manifest.json").read_text())["cases"]
    cases = [case for case in cases if "name" in case]  # a folder of losses has none
    metafunc.parametrize("fields", cases, ids=[case["name"] for case in cases])
    metafunc.parametrize("folder", [folder], ids=[""])


def test_case(fields, folder, request):
    if fields.get("target") == "none":
        pytest.skip(f"{fields['name']} has no target: {fields.get('reason', 'it records a quirk')}")
    group, _, _ = fields["name"].partition("/")
    with golden_report.recorded(request.node, group, fields["name"]):
        run(fields, folder)


SCHEDULE = {
    "name": "tfopt/supcon_linear_expdecay_x",
    "file": "case.npz",
    "params": {"lr0": 1.0, "steps_per_epoch": 4.0, "decay_rate": 0.5, "epochs_per_decay": 1.0},
    "rtol": 1e-6,
    "atol": 0.0,
}


@pytest.mark.parametrize(
    "change, arrays, expected",
    [
        ({}, {"out_lr": [1.0, 0.5]}, None),
        ({}, {"out_lr": [1.0, 0.51]}, AssertionError),
        ({}, {"out_lr": [1.0, 0.5], "out_more": [0.0]}, NotCovered),
        ({"target_by_array": {"out_lr": None}}, {"out_lr": [1.0, 9.0]}, None),
        ({"params": SCHEDULE["params"] | {"power": 2}}, {"out_lr": [1.0, 0.5]}, NotCovered),
        ({"name": "tfopt/supcon_linear_expdecays"}, {"out_lr": [1.0, 0.5]}, NotCovered),
        ({"name": "tf2opt/supcon_linear_expdecay"}, {"out_lr": [1.0, 0.5]}, NotCovered),
    ],
)
def test_the_runner_itself(tmp_path, change, arrays, expected):
    np.savez(tmp_path / "case.npz", in_step=np.array([3, 4]), **arrays)
    with pytest.raises(expected) if expected else contextlib.nullcontext():
        run(SCHEDULE | change, tmp_path)


def run(fields, folder):
    group, _, stem = fields["name"].partition("/")
    name = f"golden_metrics.{group}"
    if not group.isidentifier() or importlib.util.find_spec(name) is None:
        raise NotCovered(f"no runner for the group '{group}'")
    stems = importlib.import_module(name).STEMS
    known = [key for key in stems if f"{stem}_".startswith(f"{key}_")]
    if not known:
        raise NotCovered(f"no runner for '{stem}' of the group '{group}'")
    arrays = read_arrays(folder / fields["file"])
    with jax.enable_x64(all(getattr(a, "dtype", None) != np.float32 for a in arrays.values())):
        case = MetricCase(fields["params"], arrays)
        compare(stems[max(known, key=len)](case), arrays, fields)


def read_arrays(path: pathlib.Path) -> dict:
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return dict(arrays)
    content = json.loads(path.read_text())
    return {f"{side}_{name}": value for side in ("in", "out") for name, value in content[side].items()}
