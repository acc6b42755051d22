"""The ledger of published numbers: its files, its commands, and the numbers that the configs' docstrings quote."""

import ast
import re

import numpy as np
import pytest
from commandline import ROOT

from contrastive_jax import linear_eval, main
from contrastive_jax.commands.describe import describe_experiment
from contrastive_jax.errors import InputError
from contrastive_jax.experiment import assemble
from contrastive_jax.recipes import augmentations
from contrastive_jax.reproduction import ledger
from contrastive_jax.reproduction.ledger import Row

FOLDER = ROOT / "reproduction"
DOCSTRINGS = {
    file.stem: ast.get_docstring(ast.parse(file.read_text())) or ""
    for file in sorted((ROOT / "configs").glob("*.py"))
}
PAPERS = {name: ledger.read(FOLDER, name) for name in ledger.papers(FOLDER)}
TABLES = [(paper.name, table) for paper in PAPERS.values() for table in paper.tables]
ROWS = [row for paper in PAPERS.values() for row in paper.rows]
TRAINED = list({tuple(row.pretraining_flags()): row for row in reversed(ROWS) if row.can_train}.values())
"""A row for every pretraining command."""
JUDGED = list({tuple(row.evaluation_flags("runs/a")): row for row in ROWS if row.can_run}.values())
"""A row for every evaluation."""
CLASSES = {"cifar100": 100, "tiny_imagenet": 200, "imagenet": 1000}
UNSEEN = (
    "epochs",
    "batch_size",
    "learning_rate",
    "schedule",
    "optimizer",
    "sampler",
    "data",
    "augment.recipe",
)
"""What networks do not depend on."""


def networks_of(row: Row) -> tuple:
    settings = row.settings
    fields = {key: value for key, value in row.overrides.items() if not key.startswith(UNSEEN)}
    return settings.config, settings.network, settings.pixels, *fields.items()


NETWORKS = list({networks_of(row): row for row in reversed(TRAINED)}.values())
"""A row for every set of networks."""
SAMPLE = ("selfcon_m", "mcl", "sdssl_byol", "intriguing_swd")
each_table = pytest.mark.parametrize("paper, table", TABLES, ids=[f"{p}-{t.name}" for p, t in TABLES])


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def in_configs(rows: list[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.settings.config, []).append(row)
    return found


def test_the_five_papers_are_in_it():
    assert set(PAPERS) == {"supcon", "selfcon", "sdssl", "mcl", "intriguing_properties", "baselines"}
    assert len(ROWS) > 900


@each_table
def test_a_row_has_a_number_and_either_its_commands_or_what_is_missing(paper, table):
    assert len({ledger.short(row.name) for row in table.rows}) == len(table.rows)
    for row in table.rows:
        settings = row.settings
        assert re.fullmatch(r"\?|\d+\.\d+( ± \d+\.\d+)?", row.published), row.label
        assert row.can_run != bool(row.lacks), row.label
        assert not settings.config or settings.config in DOCSTRINGS
        if row.can_train:
            assert settings.config and settings.data and settings.network, row.label
            assert settings.hours or row.estimated_hours() > 0, row.label
        if row.can_run:
            assert settings.metric, row.label


@pytest.mark.parametrize("config, rows", in_configs(TRAINED).items(), ids=in_configs(TRAINED))
def test_every_pretraining_command_composes_and_sets_what_it_says(config, rows):
    for row in rows:
        composed = main.COMMAND.composed(row.pretraining_flags())
        experiment = assemble(composed)
        assert composed["epochs"] == row.epochs, row.label
        for path, written in row.overrides.items():
            section, _, field = path.rpartition(".")
            assert str((composed[section] if section else composed)[field]) == str(literal(written)), (
                row.label,
                path,
            )
        if recipe := row.overrides.get("augment.recipe"):
            assert getattr(augmentations, recipe)().items() <= composed["augment"].items()
        assert experiment.method(num_classes=10, labels=np.arange(2000) % 10).views >= 1
        assert experiment.learning_rate_schedule(100)(0) >= 0


def literal(written: str):
    try:
        return ast.literal_eval(written)
    except (ValueError, SyntaxError):
        return written


@pytest.mark.parametrize("row", JUDGED, ids=lambda row: f"{row.paper}-{row.name}")
def test_every_evaluation_composes(row):
    settings, protocol = linear_eval.parts(linear_eval.COMMAND.composed(row.evaluation_flags("runs/a")))
    assert settings.pretrained == "runs/a" and protocol.epochs > 0
    exits = ("final", "ensemble")
    measured = {
        f"{what}, {exit}"
        for exit in exits
        for what in (
            "linear",
            "top-5",
            "own classifier",
            "own classifier top-5",
            *(f"{k}-NN" for k in settings.knn),
        )
    }
    assert row.settings.metric in measured


def check_abstract_state(row: Row) -> None:
    """The row's networks can be made for its images and classes, and cost what the ledger says."""
    settings = row.settings
    experiment = assemble(main.COMMAND.composed(row.pretraining_flags()))
    bits = experiment.recipe.random_bits
    _, costs = describe_experiment(
        experiment,
        (settings.pixels, settings.pixels, len(experiment.recipe.mean) + bits),
        classes=CLASSES.get(settings.data, 10),
        examples=4096,
    )
    expected = pytest.approx(1e9 * settings.gmacs * settings.scale, rel=0.06)
    assert costs["final"].macs == expected or bits, row.label  # the first layer grows with the bits


@pytest.mark.parametrize("config", SAMPLE)
def test_the_networks_of_a_sample_can_be_made(config):
    row = next(row for row in TRAINED if row.settings.config == config and row.settings.gmacs < 2)
    check_abstract_state(row)


@pytest.mark.slow
@pytest.mark.parametrize("row", NETWORKS, ids=lambda row: f"{row.paper}-{row.name}")
def test_the_networks_of_every_row_can_be_made(row):
    check_abstract_state(row)


QUOTED = re.compile(r"(?<![\w.=-])(\d\d\.\d\d?)(?![\d.]*\d)(?: \+- (\d+\.\d+))?")
"""An accuracy in percent, with its spread; other numbers in docstrings have another number of digits."""


@pytest.mark.parametrize("name", DOCSTRINGS)
def test_a_docstring_quotes_numbers_of_the_ledger_alone(name):
    """Each must be in a row of this config, or of a config that the docstring names as the number's own."""
    text = DOCSTRINGS[name]
    configs = {name, *re.findall(r"`(\w+)\.py", text)}
    known = {(row.value, row.spread) for row in ROWS if row.settings.config in configs}
    quoted = {(float(value), float(spread) if spread else None) for value, spread in QUOTED.findall(text)}
    values = {value for value, _ in known}
    wrong = {(value, spread) for value, spread in quoted - known if spread or value not in values}
    assert wrong == set()


def test_quoted_accuracies_are_told_from_other_numbers():
    text = (
        "CIFAR-10 95.43 +- 0.13 and 72.5; tau 0.07, factor 15.625, --config.x=10.50, 2.5, 100.0, 1e-4, 76.45."
    )
    assert QUOTED.findall(text) == [("95.43", "0.13"), ("72.5", ""), ("76.45", "")]


TOML = """
title = "A paper"
[defaults]
metric = "linear, final"
[terms]
"A" = { config = "supcon", set = "batch_size=64 seed=1" }
"B" = { data = "digits", set = "batch_size=128", network = "resnet8" }
"100 epochs" = { set = "epochs=100.0" }
[[tables]]
name = "Table 1"
title = "First"
columns = ["B", "B, 100 epochs"]
evaluation = "quick"
rows = [["A", "12.30 ± 0.40", "?"], ["A, mine", "", "50.0"]]
[tables.terms]
"mine" = { missing = "all of it" }
"""


def test_labels_are_read_term_by_term(tmp_path):
    (tmp_path / "paper.toml").write_text(TOML)
    first, second, third = ledger.read(tmp_path, "paper").rows
    assert (first.name, first.value, first.spread) == ("a,b", 12.3, 0.4)
    assert first.pretraining_flags() == [
        "--config=configs/supcon.py:digits,resnet8",
        "--config.batch_size=128",
        "--config.seed=1",
    ]
    assert first.evaluation_flags("r") == ["--config=configs/linear_eval.py:quick", "--config.pretrained=r"]
    assert (second.name, second.value, second.epochs) == ("a,b,100-epochs", None, 100)
    assert (third.name, third.lacks, third.can_train) == ("a,mine,b,100-epochs", "all of it", False)


@pytest.mark.parametrize(
    "old, new, words",
    [
        ('["A", "12', '["A, mein", "12', "the term 'mein' is not defined: did you mean 'mine'?"),
        ('metric = "', 'metrik = "', "key 'metrik' is unknown: did you mean 'metric'?"),
        (', "?"]', "]", "1 numbers for 2 columns"),
        ('title = "A', "title = A", "not valid TOML"),
    ],
)
def test_a_mistake_in_a_file_is_named(tmp_path, old, new, words):
    (tmp_path / "paper.toml").write_text(TOML.replace(old, new, 1))
    with pytest.raises(InputError, match=re.escape(words)):
        ledger.read(tmp_path, "paper")


def test_tables_and_rows_are_found_by_several_spellings():
    supcon = PAPERS["supcon"]
    assert [t.name for t in supcon.find_tables("2")] == ["Table 2", "Table 2, ImageNet"]
    assert supcon.find_tables("fig3") == supcon.find_tables("Fig. 3")
    assert PAPERS["intriguing_properties"].find_tables("A.1")[0].name == "Table A.1"
    tables = PAPERS["selfcon"].find_tables("1")
    assert ledger.find_row(tables, "SelfCon-S, ResNet-18, CIFAR-100").value == 76.45
    with pytest.raises(InputError, match="did you mean 'selfcon-s,resnet-18,cifar-100'"):
        ledger.find_row(tables, "selfcons,resnet18,cifar1000")
    with pytest.raises(InputError, match="selfcon has no table '77'"):
        PAPERS["selfcon"].find_tables("77")


def test_an_installed_package_says_where_the_ledger_is(monkeypatch, tmp_path):
    monkeypatch.setattr(ledger, "ABOVE", tmp_path)
    assert ledger.papers(ledger.find_folder()) == sorted(PAPERS)  # the current directory is a checkout
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="in the folder reproduction/ of a checkout"):
        ledger.find_folder()
    with pytest.raises(InputError, match="is not a folder"):
        ledger.find_folder(str(tmp_path / "nothing"))


def test_hours_are_estimated_from_the_multiply_adds():
    """ResNet-50 on ImageNet for 100 epochs with two views: 6 FLOP, 3.975 GMAC, 1.28 million images, at 5e13 FLOP/s."""
    row = ledger.find_row(
        PAPERS["intriguing_properties"].find_tables("A.2"), "NT-Xent,batch 512,ImageNet,ResNet-50,100 epochs"
    )
    assert row.estimated_hours() == pytest.approx(6 * 3.975e9 * 2 * 1_281_167 * 100 / 5e13 / 3600, rel=1e-3)
    assert row.hours() == "~34.0"
