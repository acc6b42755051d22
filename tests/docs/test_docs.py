"""What the documentation says must exist: names, files, excerpts of the source, commands, code that runs."""

import importlib
import inspect
import pathlib
import re
import shlex
import types

import pytest
from commandline import ROOT

from contrastive_jax import losses
from contrastive_jax.config import schema
from contrastive_jax.experiment import CHOICES

PAGES = sorted((ROOT / "docs").rglob("*.md"))
GUIDES = [*PAGES, ROOT / "CONTRIBUTING.md"]
BLOCK = re.compile(r"^```(\w+)(?: title=\"(.+?)\")?\n(.*?)^```", re.MULTILINE | re.DOTALL)


def page_id(path: pathlib.Path) -> str:
    return str(path.relative_to(ROOT))


def resolve(name: str) -> object:
    """The object of a dotted name, imported as far as it is modules."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError as error:
            if error.name and not name.startswith(error.name):
                raise
            continue
        for part in parts[length:]:
            found = getattr(found, part)
        return found
    raise AssertionError(f"{name} does not exist")


def commands(text: str) -> list[list[str]]:
    """Words of every `python -m contrastive_jax...` in code blocks and inline code."""
    blocks = [body.replace("\\\n", " ") for _, _, body in BLOCK.findall(text)]
    lines = [line for body in blocks for line in body.splitlines()]
    spans = [span.replace("\n", " ") for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", BLOCK.sub("", text))]
    found = [
        shlex.split(line, comments=True) for line in (*lines, *spans) if "python -m contrastive_jax" in line
    ]
    return [words for words in found if any(word.startswith("--config=") for word in words)]


@pytest.mark.parametrize("page", GUIDES, ids=page_id)
def test_names_and_files_exist(page):
    text = page.read_text()
    for name in re.findall(r"\]\[(contrastive_jax[\w.]*)\]|^::: (contrastive_jax[\w.]*)", text, re.MULTILINE):
        resolve("".join(name))
    for name in re.findall(r"`((?:losses|similarity)\.\w+)", text):
        resolve(f"contrastive_jax.{name}")
    for path in re.findall(
        r"(?<![\w/])((?:configs|examples|launch|benchmarks|tests|contrastive_jax)/[\w/]+(?:\.\w+)?)", text
    ):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("page", GUIDES, ids=page_id)
def test_included_files_exist(page):
    for line in page.read_text().splitlines():
        if re.match(r"--\s*8", line):  # a formatter that takes an include for Python spoils it
            match = re.fullmatch(r'--8<-- "(.+)"', line)
            assert match and (ROOT / match[1]).exists(), line


@pytest.mark.parametrize("page", GUIDES, ids=page_id)
def test_titled_code_is_an_excerpt_of_that_file(page):
    for _, title, body in BLOCK.findall(page.read_text()):
        if title:
            source = inspect.cleandoc((ROOT / title).read_text())
            lines = [line.strip() for line in body.strip().splitlines()]
            assert "\n".join(lines) in "\n".join(line.strip() for line in source.splitlines()), title


@pytest.mark.parametrize("page", GUIDES, ids=page_id)
def test_commands_set_fields_that_exist(page):
    for words in commands(page.read_text()):
        if any("PROTOCOL" in word for word in words):
            continue
        file, _, argument = next(w for w in words if w.startswith("--config="))[9:].partition(":")
        space = types.ModuleType("config")
        exec(compile((ROOT / file).read_text(), file, "exec"), space.__dict__)
        config = space.get_config(*([argument] if argument else []))
        for word in words:
            if word.startswith("--config.method.name="):
                cls = CHOICES["method"].find(word.partition("=")[2])
                config.method = {"name": "", **schema.defaults(cls)}
        for word in words:
            match = re.match(r"--config\.([\w.]+)=", word)
            if match and match[1] != "augment.recipe":
                section, _, field = match[1].rpartition(".")
                assert field in (config[section] if section else config), f"{file}: {match[1]}"


def test_table_of_losses_names_every_public_loss():
    text = (ROOT / "docs" / "losses.md").read_text()
    listed = set(re.findall(r"\]\[contrastive_jax\.losses\.([\w.]+)\]", text))
    public = {name for name in losses.__all__ if inspect.isfunction(getattr(losses, name))}
    public |= {f"variants.{name}" for name in losses.variants.__all__}
    assert listed == public


def test_code_of_the_library_page_runs():
    codes = [body for _, _, body in BLOCK.findall((ROOT / "docs" / "losses.md").read_text())]
    space: dict = {}
    exec(codes[0], space)
    assert space["loss"].shape == () and space["loss"] > 0


def test_the_build_sees_references_without_a_target():
    """mkdocs-autorefs counts them only where warnings are shown, and `mkdocs --quiet` shows none."""
    (command,) = [line for line in (ROOT / "Makefile").read_text().splitlines() if "mkdocs build" in line]
    assert "--strict" in command and "--quiet" not in command


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text()
    for page in PAGES:
        assert str(page.relative_to(ROOT / "docs")) in navigation, page
