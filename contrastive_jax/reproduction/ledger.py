"""The ledger: every published row, the command that trains it and the protocol that judges it. Reads `reproduction/`.

A TOML file holds one paper, and its tables look like the paper's own. A label is a list of terms separated by commas,
and `[terms]` says what each stands for:

    [terms]
    "SelfCon-S" = { config = "selfcon_s" }
    "ResNet-18" = { network = "resnet18" }
    "CIFAR-100" = { data = "cifar100" }

    [[tables]]
    name = "Table 1"
    columns = ["CIFAR-100"]
    rows = [["SelfCon-S, ResNet-18", "76.45 ± 0.37"]]

Every number is a `Row`. Its settings are those of the file's `[defaults]`, of its table, of the row's terms and of its
column's terms, in this order: the last one wins, and overrides (`set`, `judge`) are merged field by field. A table may
have terms of its own. `?` stands for a number that the paper does not print, an empty string for no row.
"""

import dataclasses
import pathlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from contrastive_jax.errors import InputError, nearest

ABOVE = pathlib.Path(__file__).parents[2]
"""A checkout, unless the package is installed without one."""
CONFIGS, FOLDER = "configs", "reproduction"
PRETRAIN = "python -m contrastive_jax.main"
LINEAR_EVAL = "python -m contrastive_jax.linear_eval"
NOT_PRINTED = "?"
SUSTAINED = 5e13
"""FLOP/s of the device that hours are estimated for: one A100 in bfloat16 at a sixth of its peak."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What terms set. Their keys in the TOML files are these fields."""

    config: str = ""
    """File in `configs/`, without `.py`."""
    data: str = ""
    """First word of the config's argument."""
    network: str = ""
    """Second word of the config's argument."""
    set: str = ""
    """Overrides of the pretraining config as on the command line, without `--config.`, separated by spaces."""
    evaluation: str = ""
    """Argument of `configs/linear_eval.py`."""
    judge: str = ""
    """Overrides of the evaluation's config."""
    metric: str = ""
    """The number in the evaluation's table that is published, for example `linear, final`."""
    missing: str = ""
    """What has to be written before this row has a command."""
    unjudged: str = ""
    """What has to be written before the trained network can be judged; the pretraining command is right."""
    note: str = ""
    """What a reader of the number should know."""
    hours: str = ""
    """Device hours of the pretraining and where they come from; empty: estimated."""
    epochs: float = 0.0
    """Epochs of the config, where `set` does not change them."""
    passes: float = 0.0
    """Forward and backward passes per image, in passes of the network alone: views, networks, a third for a teacher."""
    images: int = 0
    """Training images."""
    pixels: int = 0
    """Height and width of what the network sees."""
    gmacs: float = 0.0
    """Multiply-adds of the network per image, in units of 1e9, at `scale` 1."""
    scale: float = 0.0
    """Their factor for the data set's size of images."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One number of a paper, with the run that gives it."""

    paper: str
    table: str
    label: str
    published: str
    """The number as the paper prints it: `76.45 ± 0.37`, or `?` if it prints none."""
    settings: Settings

    @property
    def name(self) -> str:
        """What `--row` takes: the label in lower case, without spaces."""
        return re.sub(r"[^a-z0-9.,()&/]+", "-", re.sub(r",\s*", ",", self.label.lower())).strip("-")

    @property
    def value(self) -> float | None:
        """The published number."""
        return None if self.published == NOT_PRINTED else float(self.published.partition(" ± ")[0])

    @property
    def spread(self) -> float | None:
        """Its published spread."""
        spread = self.published.partition(" ± ")[2]
        return float(spread) if spread else None

    @property
    def overrides(self) -> dict[str, str]:
        return overrides(self.settings.set)

    @property
    def epochs(self) -> float:
        """Published epochs."""
        return float(self.overrides.get("epochs", self.settings.epochs))

    @property
    def can_train(self) -> bool:
        return not self.settings.missing

    @property
    def can_run(self) -> bool:
        """Whether pretraining and evaluation both have a command."""
        return self.can_train and bool(self.settings.evaluation)

    @property
    def lacks(self) -> str:
        """What has to be written before the row can be run; empty if it can."""
        return self.settings.missing or ("" if self.settings.evaluation else self.settings.unjudged)

    def pretraining_flags(self, configs: str = CONFIGS) -> list[str]:
        """`--config=...` and its overrides; `configs` is the folder of configs."""
        s = self.settings
        return [f"--config={configs}/{s.config}.py:{s.data},{s.network}", *as_flags(self.overrides)]

    def evaluation_flags(self, run: str, configs: str = CONFIGS) -> list[str]:
        """`--config=...` and its overrides, for the run directory `run`."""
        s = self.settings
        config = f"{configs}/linear_eval.py" + (f":{s.evaluation}" if s.evaluation != "default" else "")
        return [f"--config={config}", f"--config.pretrained={run}", *as_flags(overrides(s.judge))]

    def estimated_hours(self) -> float:
        """A guess from the multiply-adds alone: 6 FLOP per multiply-add of a forward and backward pass."""
        s = self.settings
        flop = 6e9 * s.gmacs * s.scale * s.passes * s.images * self.epochs
        return flop / SUSTAINED / 3600

    def hours(self) -> str:
        """Device hours: the authors' own, or an estimate, which `~` marks."""
        if self.settings.hours:
            return self.settings.hours
        estimate = self.estimated_hours()
        return f"~{estimate:.1f}" if estimate else "unknown"


@dataclasses.dataclass(frozen=True)
class Table:
    """A table, a figure or a section of a paper."""

    name: str
    title: str
    rows: tuple[Row, ...]


@dataclasses.dataclass(frozen=True)
class Paper:
    """A file of the ledger."""

    name: str
    title: str
    tables: tuple[Table, ...]

    @property
    def rows(self) -> list[Row]:
        return [row for table in self.tables for row in table.rows]

    def find_tables(self, name: str) -> list[Table]:
        """The tables called `name`: `1`, `Table 1`, `fig7`; `2` also finds `Table 2, ImageNet`.

        Raises:
          InputError: there is none.
        """
        wanted = short(name)
        found = [t for t in self.tables if wanted in (short(t.name), short(t.name.split(",")[0]))]
        if not found:
            raise InputError(
                f"{self.name} has no table '{name}': {nearest(name, [t.name for t in self.tables])}"
            )
        return found


def find_row(tables: Iterable[Table], name: str) -> Row:
    """The row called `name` among those of `tables`, whatever its case and spaces.

    Raises:
      InputError: there is none; the nearest is named.
    """
    rows = [row for table in tables for row in table.rows]
    for row in rows:
        if short(name) == short(row.name):
            return row
    raise InputError(f"there is no row '{name}': {nearest(name.lower(), [row.name for row in rows])}")


def checkout() -> pathlib.Path:
    """Where `configs/` and `reproduction/` are: around this package, or else the current directory."""
    return ABOVE if (ABOVE / FOLDER).is_dir() else pathlib.Path()


def find_folder(given: str = "") -> pathlib.Path:
    """The folder of the ledger: `given`, or that of the checkout.

    Raises:
      InputError: it does not exist.
    """
    folder = pathlib.Path(given) if given else checkout() / FOLDER
    if folder.is_dir():
        return folder
    if given:
        raise InputError(f"--ledger={given} is not a folder: give one that holds the tables of papers.")
    raise InputError(
        "the published numbers are in the folder reproduction/ of a checkout, which an installed package does not"
        " have: clone the repository and start the command there, or give --ledger."
    )


def papers(folder: pathlib.Path) -> list[str]:
    """The names of the papers in the ledger."""
    return sorted(file.stem for file in folder.glob("*.toml"))


def read(folder: pathlib.Path, name: str) -> Paper:
    """One paper.

    Raises:
      InputError: no such paper, or a file that breaks the rules above; the sentence names the place.
    """
    if name not in papers(folder):
        raise InputError(f"the ledger has no paper '{name}': {nearest(name, papers(folder))}")
    file = folder / f"{name}.toml"
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{file} is not valid TOML: {error}.") from error
    return Paper(name, content["title"], tuple(_table(name, content, part) for part in content["tables"]))


def _table(paper: str, content: Mapping[str, Any], part: Mapping[str, Any]) -> Table:
    shape = ("name", "title", "columns", "rows", "terms")
    base = [content.get("defaults", {}), {key: value for key, value in part.items() if key not in shape}]
    known = content.get("terms", {}) | part.get("terms", {})
    rows = []
    for label, *numbers in part["rows"]:
        if len(numbers) != len(part["columns"]):
            raise InputError(
                f"{paper}, {part['name']}, '{label}': {len(numbers)} numbers for {len(part['columns'])} columns."
            )
        for column, text in zip(part["columns"], numbers):
            if text:
                whole = f"{label}, {column}"
                settings = merged([*base, *(_term(known, term, paper, whole) for term in whole.split(", "))])
                rows.append(Row(paper, part["name"], whole, text, settings))
    return Table(part["name"], part["title"], tuple(rows))


def _term(known: Mapping[str, Any], term: str, paper: str, label: str) -> Mapping[str, Any]:
    if term not in known:
        raise InputError(f"{paper}, '{label}': the term '{term}' is not defined: {nearest(term, known)}")
    return known[term]


def merged(parts: Iterable[Mapping[str, Any]]) -> Settings:
    """Settings of which the last wins; overrides are merged field by field."""
    found: dict[str, Any] = {}
    fields = [field.name for field in dataclasses.fields(Settings)]
    for part in parts:
        for key, value in part.items():
            if key not in fields:
                raise InputError(f"the ledger's key '{key}' is unknown: {nearest(key, fields)}")
            if key in ("set", "judge"):
                value = " ".join(
                    f"{k}={v}" for k, v in (overrides(found.get(key, "")) | overrides(value)).items()
                )
            found[key] = value
    return Settings(**found)


def overrides(text: str) -> dict[str, str]:
    """`batch_size=512 head.depth=3` by field. Raises InputError for anything else."""
    for word in text.split():
        if "=" not in word[1:]:
            raise InputError(f"'{word}' is not field=value, as in batch_size=512 (without spaces).")
    return dict(word.split("=", 1) for word in text.split())


def as_flags(fields: Mapping[str, str]) -> list[str]:
    """`--config.batch_size=512`, ..."""
    return [f"--config.{field}={value}" for field, value in fields.items()]


def short(name: str) -> str:
    """A name without case, spaces and punctuation, and without the word table."""
    return re.sub(r"[^a-z0-9.]", "", name.lower()).removeprefix("table").replace("fig.", "fig")
