"""`pip install contrastive_jax` without extras is a library of losses: jax, numpy and jaxtyping, nothing else."""

import importlib.metadata
import os
import pathlib
import re
import subprocess
import sys
import textwrap
import venv
import zipfile

import pytest
from commandline import ROOT
from packaging.requirements import Requirement

USE = """
import jax
import jax.numpy as jnp

from contrastive_jax import losses, similarity

z = jax.random.normal(jax.random.key(0), (8, 2, 16))
z = z / jnp.linalg.norm(z, axis=-1, keepdims=True)
label = jnp.arange(8) // 2
value, gradient = jax.value_and_grad(lambda z: jnp.mean(losses.supcon(z, label, tau=0.1)))(z)
assert jnp.isfinite(value) and bool(jnp.all(jnp.isfinite(gradient)))
"""

FORBIDDEN = (
    "flax",
    "optax",
    "orbax",
    "absl",
    "ml_collections",
    "PIL",
    "clu",
    "sklearn",
    "tensorflow",
    "grain",
    "tqdm",
)
NOTHING_ELSE = f"""
import sys
present = [name for name in {FORBIDDEN!r} if name in sys.modules]
assert not present, present
print("library", contrastive_jax.__file__)
"""

HIDE = """
import sys
from importlib.machinery import PathFinder

class Installed(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        root = name.split(".")[0]
        if root in ALLOWED or root.startswith("_sysconfigdata"):
            return super().find_spec(name, path, target)
        return None

sys.meta_path = [Installed if finder is PathFinder else finder for finder in sys.meta_path]
"""
"""Hides every installed module that is not in ALLOWED."""


def closure(*distributions: str) -> set[str]:
    """Distributions and all that they require, without extras."""
    found: set[str] = set()
    waiting = list(distributions)
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in found:
            continue
        found.add(name)
        for text in importlib.metadata.requires(name) or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return found


def run(python: pathlib.Path | str, code: str, cwd: pathlib.Path, **environment: str) -> str:
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "XLA_FLAGS")} | environment
    process = subprocess.run(
        [python, "-c", textwrap.dedent(code)], cwd=cwd, env=clean, capture_output=True, text=True, timeout=600
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def bare(code: str) -> str:
    """`code` for a process that finds only the modules of jax, numpy and jaxtyping."""
    distributions = closure("jax", "numpy", "jaxtyping")
    allowed = {"contrastive_jax", *sys.stdlib_module_names} | {
        module
        for module, owners in importlib.metadata.packages_distributions().items()
        if any(owner.lower().replace("_", "-") in distributions for owner in owners)
    }
    return f"ALLOWED = {sorted(allowed)!r}\n{HIDE}\n{code}"


def test_losses_need_no_other_module_than_those_of_their_dependencies(tmp_path):
    code = bare(f"{USE}\nimport contrastive_jax\n{NOTHING_ELSE}")
    assert "library" in run(sys.executable, code, tmp_path, PYTHONPATH=str(ROOT))


def test_the_package_without_the_packages_of_training_says_what_its_other_functions_need(tmp_path):
    code = """
import contrastive_jax
assert {"judge", "load_encoder", "pretrain"} <= set(dir(contrastive_jax))
for name in ("judge", "load_encoder", "pretrain"):
    try:
        getattr(contrastive_jax, name)
    except ImportError as error:
        print(error)
try:
    contrastive_jax.load_decoder
except AttributeError as error:
    print(error)
"""
    *sentences, last = run(sys.executable, bare(code), tmp_path, PYTHONPATH=str(ROOT)).splitlines()
    assert len(sentences) == 3
    for sentence in sentences:
        assert re.fullmatch(
            r"contrastive_jax\.\w+ needs the package '\w+': in the checkout, pip install .*", sentence
        )
    assert last == "module 'contrastive_jax' has no attribute 'load_decoder'"


@pytest.mark.parametrize(
    "module, arguments",
    [
        ("contrastive_jax.main", ["--help"]),
        ("contrastive_jax.linear_eval", ["--help"]),
        ("contrastive_jax.__main__", ["describe", "--help"]),
    ],
)
def test_a_command_without_its_packages_says_what_to_install(module, arguments, tmp_path):
    code = f"""
import runpy
sys.argv[1:], sys.stderr = {arguments!r}, sys.stdout
try:
    runpy.run_module({module!r}, run_name="__main__", alter_sys=True)
except SystemExit as end:
    print("status", end.code)
"""
    printed = run(sys.executable, bare(code), tmp_path, PYTHONPATH=str(ROOT))
    message = r"error: .* needs the package '\w+': in the checkout, pip install \"\.\[train\]\"\.\nstatus 2\n"
    assert re.fullmatch(message, printed)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> pathlib.Path:
    """The wheel that `pip` builds from a copy of the sources; skipped where no package index can be reached."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("contrastive_jax", "pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        subprocess.run(["cp", "-r", ROOT / name, source / name], check=True)
    pip(sys.executable, "wheel", "--no-deps", "--wheel-dir", folder, source)
    (built,) = folder.glob("*.whl")
    return built


def pip(python: pathlib.Path | str, *arguments: str | pathlib.Path) -> None:
    process = subprocess.run(
        [python, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=1200,
    )
    if process.returncode and ("No matching distribution" in process.stderr or "Retrying" in process.stderr):
        pytest.skip("no package index can be reached")
    assert process.returncode == 0, process.stderr


@pytest.mark.slow
def test_losses_in_an_environment_with_nothing_else(wheel, tmp_path):
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    pip(python, "install", "jax", "numpy", "jaxtyping")
    pip(python, "install", "--no-deps", wheel)
    printed = run(python, f"{USE}\nimport contrastive_jax\n{NOTHING_ELSE}", tmp_path)
    assert str(tmp_path) in printed, "the installed package is tested, not the checkout"
    assert run(python, "import importlib.metadata as m; print(m.version('contrastive_jax'))", tmp_path)


@pytest.mark.slow
def test_wheel_holds_every_module_the_type_marker_and_the_embedded_images(wheel):
    held = set(zipfile.ZipFile(wheel).namelist())
    modules = {str(file.relative_to(ROOT)) for file in (ROOT / "contrastive_jax").rglob("*.py")}
    assert modules <= held
    assert "contrastive_jax/py.typed" in held
    assert any(name.startswith("contrastive_jax/data/embedded/") and name.endswith(".npz") for name in held)
    entry_points = next(name for name in held if name.endswith("entry_points.txt"))
    text = zipfile.ZipFile(wheel).read(entry_points).decode()
    assert "contrastive-jax = contrastive_jax.__main__:main" in text
