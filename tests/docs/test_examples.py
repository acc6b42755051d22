"""The examples run as their files say, and their notebooks are those that `examples/notebooks.py` writes."""

import importlib.util
import json
import os
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from commandline import ROOT, run

from contrastive_jax import conformance

METHOD = "examples.barlow_twins.barlow_twins:BarlowTwins"
EXAMPLES = ROOT / "examples"
NOTEBOOKS = sorted(EXAMPLES.rglob("*.ipynb"))


def load(file):
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def python(*arguments, cwd=ROOT, **environment) -> str:
    process = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def losses_of(printed: str) -> list[float]:
    return [float(value) for value in re.findall(r"loss ([\d.]+)", printed)]


def test_plain_jax_example_prints_the_same_falling_loss_on_one_device_and_on_eight():
    script = EXAMPLES / "supcon_in_plain_jax.py"
    assert len(script.read_text().splitlines()) < 40
    one, eight = (losses_of(python(script, JAX_NUM_CPU_DEVICES=n)) for n in ("1", "8"))
    assert len(one) == 6 and one == sorted(one, reverse=True) and one[-1] < one[0] - 0.5
    np.testing.assert_allclose(one, eight, atol=2e-3)


def test_notebooks_are_made_from_their_scripts():
    notebooks = load(EXAMPLES / "notebooks.py")
    assert [script.with_suffix(".ipynb") for script in notebooks.SCRIPTS] == NOTEBOOKS[::-1]
    for script in notebooks.SCRIPTS:
        assert script.with_suffix(".ipynb").read_text() == notebooks.notebook(script), (
            "run examples/notebooks.py"
        )


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_cell_by_cell(notebook, tmp_path):
    cells = json.loads(notebook.read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    script = tmp_path / "cells.py"
    script.write_text("\n\n".join(f"exec(compile({cell!r}, 'cell', 'exec'), globals())" for cell in code))
    printed = python(script, RUNS=str(tmp_path), EPOCHS="2", XLA_FLAGS="")
    assert "loss" in printed or "linear, final" in printed


@pytest.fixture(scope="module")
def barlow_twins():
    return load(EXAMPLES / "barlow_twins" / "barlow_twins.py")


def test_barlow_twins_is_zero_for_equal_uncorrelated_views(barlow_twins):
    z = jnp.asarray(np.kron(np.eye(4), [[1.0], [-1.0]]))  # four uncorrelated dimensions
    invariance, redundancy = barlow_twins.barlow_twins(z, z)
    np.testing.assert_allclose((invariance, redundancy), 0, atol=1e-6)


def test_barlow_twins_is_that_of_a_plain_loop(barlow_twins):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 16, 3))
    c = np.empty((3, 3))
    for d in range(3):
        for e in range(3):
            x, y = a[:, d] - a[:, d].mean(), b[:, e] - b[:, e].mean()
            c[d, e] = np.mean(x * y) / np.sqrt((x.var() + 1e-5) * (y.var() + 1e-5))
    expected = sum((1 - c[d, d]) ** 2 for d in range(3))
    others = sum(c[d, e] ** 2 for d in range(3) for e in range(3) if d != e)
    found = barlow_twins.barlow_twins(jnp.asarray(a, jnp.float32), jnp.asarray(b, jnp.float32))
    np.testing.assert_allclose(found, (expected, others), rtol=1e-4)


def test_barlow_twins_has_a_finite_gradient_at_constant_embeddings(barlow_twins):
    def loss(z):
        return sum(barlow_twins.barlow_twins(z, z))

    assert jnp.all(jnp.isfinite(jax.grad(loss)(jnp.ones((4, 3)))))


@pytest.mark.slow
def test_barlow_twins_passes_the_conformance_suite(monkeypatch):
    monkeypatch.chdir(ROOT)
    for title, check in conformance.checks(METHOD):
        print(title)
        check()


def test_barlow_twins_trains_by_its_import_path(monkeypatch):
    monkeypatch.chdir(ROOT)
    before = conformance.trial(METHOD).state()
    after, metrics = conformance.trial(METHOD).run(2)
    assert {"loss_invariance", "loss_redundancy"} <= metrics[0].keys()
    moved = jax.tree.map(lambda a, b: float(jnp.max(jnp.abs(a - b))), before.params, after.params)
    assert max(jax.tree.leaves(moved)) > 0


@pytest.mark.slow
def test_barlow_twins_learns_from_outside_the_package(tmp_path):
    config = "--config=examples/barlow_twins/config.py"
    run("main", config, "--config.epochs=4.0", f"--workdir={tmp_path}", devices=2, optimized=True)
    quick = ("--config=configs/linear_eval.py:quick", f"--config.pretrained={tmp_path}")
    run(
        "linear_eval",
        *quick,
        "--config.protocol.epochs=10",
        "--config.schedule.milestones=(6,8)",
        optimized=True,
    )
    top1 = json.loads((tmp_path / "linear_eval" / "summary.json").read_text())["top1"]
    assert top1["linear, final"] >= top1["untrained encoder, linear, final"] + 3, top1
