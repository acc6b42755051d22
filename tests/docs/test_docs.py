"""What the documentation says must exist: names, files, excerpts of the source, commands, code that runs."""

import ast
import importlib
import inspect
import pathlib
import re
import shlex
import types

import jax.numpy as jnp
import PIL.Image
import pytest
from commandline import ROOT, run
from ml_collections import ConfigDict

from contrastive_jax import losses
from contrastive_jax.config import schema
from contrastive_jax.config.presets import pretraining
from contrastive_jax.experiment import CHOICES

PAGES = sorted((ROOT / "docs").rglob("*.md"))
GUIDES = [*PAGES, ROOT / "CONTRIBUTING.md"]
README = ROOT / "README.md"
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


def config_of(file: str, *argument: str) -> ConfigDict:
    space = types.ModuleType("config")
    exec(compile((ROOT / file).read_text(), file, "exec"), space.__dict__)
    return space.get_config(*argument)


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


@pytest.mark.parametrize("page", [README, *GUIDES], ids=page_id)
def test_links_lead_to_files_and_sections_that_exist(page):
    for path, section in re.findall(r"\]\(([^)\s#:]*)(?:#([\w-]+))?\)", page.read_text()):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), path
        assert not section or section in sections(target), f"{path}#{section}"


def sections(page: pathlib.Path) -> set[str]:
    """The anchors that headings give to their sections."""
    titles = re.findall(r"^#+ (.+)$", BLOCK.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\s-]", "", title).strip().lower().replace(" ", "-") for title in titles}


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


@pytest.mark.parametrize("page", [README, *GUIDES], ids=page_id)
def test_commands_set_fields_that_exist(page):
    for words in commands(page.read_text()):
        if any("PROTOCOL" in word for word in words):
            continue
        file, _, argument = next(w for w in words if w.startswith("--config="))[9:].partition(":")
        config = config_of(file, *([argument] if argument else []))
        for word in words:
            if word.startswith("--config.method.name="):
                cls = CHOICES["method"].find(word.partition("=")[2])
                config.method = {"name": "", **schema.defaults(cls)}
        for word in words:
            match = re.match(r"--config\.([\w.]+)=", word)
            if match and match[1] != "augment.recipe":
                section, _, field = match[1].rpartition(".")
                assert field in (config[section] if section else config), f"{file}: {match[1]}"


def test_the_defaults_that_the_page_on_methods_lists_are_those_of_a_config():
    rows = re.findall(
        r"^\| (`config\..+) \| (.+) \|$", (ROOT / "docs" / "add_a_method.md").read_text(), re.MULTILINE
    )
    config = pretraining("supcon", "digits,resnet8")
    assert rows
    for row in rows:
        fields, values = (re.findall(r"`(.+?)`", cell) for cell in row)
        for path, value in zip(fields, values, strict=True):
            section, _, field = path.removeprefix("config.").rpartition(".")
            assert (config[section] if section else config)[field] == ast.literal_eval(value), path


def small_folder() -> list[list[str]]:
    """The commands that the page on pictures gives for a small folder."""
    return [
        c for c in commands((ROOT / "docs" / "own_pictures.md").read_text()) if "runs/small" in " ".join(c)
    ]


def test_batch_and_rate_of_the_page_on_pictures_are_those_of_the_configs():
    text = " ".join((ROOT / "docs" / "own_pictures.md").read_text().split())
    claim = re.search(r"The batch is (\d+) pictures in `(\w+)` and `(\w+)` and (\d+) in `(\w+)`", text)
    assert claim
    for name, batch in ((claim[2], claim[1]), (claim[3], claim[1]), (claim[5], claim[4])):
        assert config_of(f"configs/{name}.py", "folder,resnet18").batch_size == int(batch), name
    pretrain, _ = small_folder()
    config = config_of("configs/simclr.py", "folder,resnet8")
    peak, batch, reference, rate = re.findall(r"here ([\d.]+) \* (\d+) / (\d+) = ([\d.]+\d)", text)[0]
    assert config.learning_rate.peak == float(peak) and config.batch_size == int(reference)
    assert {f"--config.batch_size={batch}", f"--config.learning_rate.reference_batch={reference}"} <= {
        *pretrain
    }
    assert float(rate) == round(float(peak) * int(batch) / int(reference), 4)


@pytest.mark.slow
def test_the_commands_for_a_small_folder_work_on_66_pictures(tmp_path):
    for split, count in (("train", 17), ("test", 5)):
        for label, name in enumerate(("cat", "dog", "owl")):
            (folder := tmp_path / "pictures" / split / name).mkdir(parents=True)
            for i in range(count):
                color = tuple(200 if label == channel else 10 * i for channel in range(3))
                PIL.Image.new("RGB", (60 + 3 * i, 80 - i), color).save(folder / f"{i}.jpg")
    pretrain, judge = (
        [
            word.replace("/my/pictures", f"{tmp_path}/pictures").replace("runs/", f"{tmp_path}/")
            for word in words
        ]
        for words in small_folder()
    )
    assert pretrain[:3] == ["python", "-m", "contrastive_jax.main"]
    run("main", *pretrain[3:], "--config.epochs=1.0")
    assert "linear, final" in run("linear_eval", *judge[3:])


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


def test_code_of_the_page_on_the_encoder_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    codes = [
        body
        for kind, _, body in BLOCK.findall((ROOT / "docs" / "encoder.md").read_text())
        if kind == "python"
    ]
    assert len(codes) == 4
    space: dict = {}
    for code in codes:
        exec(code.replace("runs/digits", str(tmp_path / "run")), space)
    assert space["vectors"].shape == (5, 16) and set(space["by_exit"]) == set(space["encoder"].exits)
    assert space["saliency"].shape == space["views"].shape and jnp.any(space["saliency"] != 0)
    assert "(360, 16)" in capsys.readouterr().out


def test_the_build_sees_references_without_a_target():
    """mkdocs-autorefs counts them only where warnings are shown, and `mkdocs --quiet` shows none."""
    (command,) = [line for line in (ROOT / "Makefile").read_text().splitlines() if "mkdocs build" in line]
    assert "--strict" in command and "--quiet" not in command


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text()
    for page in PAGES:
        assert str(page.relative_to(ROOT / "docs")) in navigation, page
