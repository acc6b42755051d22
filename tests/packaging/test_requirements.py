"""pyproject.toml, requirements*.txt and the imports of the package name the same dependencies."""

import ast
import importlib.metadata
import re
import sys
import tomllib

import pytest
from commandline import ROOT
from packaging.requirements import Requirement

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
PACKAGE = ROOT / "contrastive_jax"
LIBRARY = ("__init__.py", "errors.py", "losses", "similarity", "parallel")
"""What `pip install contrastive_jax` without extras must be able to import."""
IMPORTED_AS = {"PIL": "pillow", "absl": "absl-py", "sklearn": "scikit-learn", "orbax": "orbax-checkpoint"}
"""Distributions that are imported under another name."""


def listed(file: str) -> set[str]:
    lines = (line.split("#")[0].strip() for line in (ROOT / file).read_text().splitlines())
    return {canonical(line) for line in lines if line and not line.startswith("-")}


def canonical(requirement: str) -> str:
    parsed = Requirement(requirement)
    return f"{name_of(requirement)}{parsed.specifier}"


def name_of(requirement: str) -> str:
    return Requirement(requirement).name.lower().replace("_", "-")


def declared(*requirements: str) -> set[str]:
    """Requirements with the extras of this package that they name put in their place."""
    found = set()
    for requirement in requirements:
        if name_of(requirement) == "contrastive-jax":
            found |= declared(*(r for extra in Requirement(requirement).extras for r in EXTRAS[extra]))
        else:
            found.add(canonical(requirement))
    return found


def imports(*paths: str) -> set[str]:
    """Distributions that the modules under `paths` import, at the top of a file or inside a function."""
    modules = set()
    for path in paths:
        files = [PACKAGE / path] if path.endswith(".py") else (PACKAGE / path).rglob("*.py")
        for file in files:
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Import):
                    modules |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    modules.add(str(node.module).split(".")[0])
    modules -= {*sys.stdlib_module_names, "contrastive_jax"}
    return {IMPORTED_AS.get(module, module).lower().replace("_", "-") for module in modules}


def names(requirements: set[str]) -> set[str]:
    return {name_of(requirement) for requirement in requirements}


def test_requirements_txt_is_the_union_of_dependencies_and_extras():
    assert listed("requirements.txt") == declared(*PROJECT["dependencies"], *EXTRAS["all"])


def test_the_extra_all_holds_every_other_extra():
    assert declared(*EXTRAS["all"]) == declared(*(r for extra in EXTRAS.values() for r in extra))


def test_everything_imported_is_declared():
    assert imports(".") <= names(listed("requirements.txt"))


@pytest.mark.parametrize("room", LIBRARY)
def test_the_library_imports_only_its_dependencies(room):
    assert imports(room) <= names(declared(*PROJECT["dependencies"]))


def test_pre_commit_and_the_development_requirements_pin_the_same_ruff():
    pinned = next(r for r in listed("requirements-dev.txt") if r.startswith("ruff=="))
    rev = re.search(r"rev: v([\d.]+)", (ROOT / ".pre-commit-config.yaml").read_text())
    assert rev and pinned == f"ruff=={rev[1]}"


def test_citation_states_the_version_of_the_package():
    version = re.search(r'__version__ = "(.*)"', (PACKAGE / "__init__.py").read_text())
    assert version and f"\nversion: {version[1]}\n" in (ROOT / "CITATION.cff").read_text()


def test_continuous_integration_runs_every_python_of_the_classifiers():
    workflow = (ROOT / ".github/workflows/ci.yml").read_text()
    versions = [c.rsplit(" ", 1)[1] for c in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", c)]
    assert versions and all(f'"{version}"' in workflow for version in versions)


def test_installed_versions_satisfy_the_requirements():
    for requirement in listed("requirements.txt"):
        parsed = Requirement(requirement)
        assert parsed.specifier.contains(importlib.metadata.version(parsed.name), prereleases=True), (
            requirement
        )
