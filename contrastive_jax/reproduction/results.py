"""What was measured here: a line of JSON per run in `reproduction/results.jsonl`. Lines are appended, never changed."""

import json
import pathlib
import statistics
from collections.abc import Iterable, Mapping
from typing import Any

from contrastive_jax.errors import InputError
from contrastive_jax.reproduction.ledger import Row

FILE = "results.jsonl"


def append(folder: pathlib.Path, entry: Mapping[str, Any]) -> pathlib.Path:
    """Adds one run to the ledger in `folder`; returns the file."""
    file = folder / FILE
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(entry, ensure_ascii=False) + "\n")
    return file


def read(folder: pathlib.Path) -> list[dict[str, Any]]:
    """All runs, oldest first.

    Raises:
      InputError: a line is not JSON.
    """
    file = folder / FILE
    if not file.exists():
        return []
    entries = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            entries.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise InputError(f"line {number} of {file} is not JSON: mend or remove it.") from error
    return entries


def of(row: Row, entries: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The runs of a row."""
    place = (row.paper, row.table, row.name)
    return [entry for entry in entries if (entry["paper"], entry["table"], entry["row"]) == place]


def ours(runs: Iterable[Mapping[str, Any]]) -> list[str]:
    """A line for each kind of run: mean and spread over its seeds, epochs and hardware; or `not run`.

    Runs are of a kind if they differ in the seed alone. The newest run of a seed counts. The mark of uncommitted
    changes is left out: every run changes the ledger itself.
    """
    kinds: dict[tuple, dict[int, float]] = {}
    for run in runs:
        commit = run["commit"].removesuffix("-dirty")
        kind = (run["epochs"], run["published_epochs"], run["changed"], run["hardware"], commit)
        kinds.setdefault(kind, {})[run["seed"]] = run["value"]
    return [_line(kind, by_seed) for kind, by_seed in kinds.items()] or ["not run"]


def _line(kind: tuple, by_seed: Mapping[int, float]) -> str:
    epochs, published, changed, hardware, commit = kind
    values = list(by_seed.values())
    number = f"{statistics.fmean(values):.2f}"
    if len(values) > 1:
        number += f" ± {statistics.stdev(values):.2f}"
    seeds = f"{len(values)} seed{'s' if len(values) > 1 else ''}"
    scaled = "as published" if epochs == published else f"SCALED: {epochs:g} of {published:g} epochs"
    also = f", changed: {changed}" if changed else ""
    return f"{number} ({seeds}, {scaled}{also}, {hardware}, {commit or 'unknown commit'})"
