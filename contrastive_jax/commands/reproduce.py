"""Shows the papers' published numbers, their commands and our numbers, and runs a row within a budget.

    python -m contrastive_jax reproduce
    python -m contrastive_jax reproduce --paper=selfcon --table=1
    python -m contrastive_jax reproduce --paper=selfcon --table=1 --row=selfcon-s,resnet-18,cifar-100
    python -m contrastive_jax reproduce --paper=selfcon --table=1 --row=selfcon-s,resnet-18,cifar-100 \\
        --run --budget=2h --workdir=runs/row

The first lists the papers and the second a table's rows. With --run, the row is trained and judged: a few steps are
timed, the epochs are shortened to what the budget buys, and all else stays as published. The result is appended to
reproduction/results.jsonl with its hardware, versions, commit, seed and epochs, and the table shows it from then on.
The same command resumes an interrupted run. --epochs=20 instead of --budget gives rows equal epochs; without either,
the run is as long as the published one.

`--set="data.source=cifar_batches:/my/cifar-100 precision=float32"` changes fields; the entry names them.
"""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

from contrastive_jax.config.flags import Command, Flag
from contrastive_jax.errors import InputError
from contrastive_jax.reproduction import ledger, results
from contrastive_jax.reproduction.ledger import LINEAR_EVAL, PRETRAIN, Paper, Row, Table


def reproduce(*, paper: str, table: str, row: str, start: bool, folder: str, **how: Any) -> None:
    """`how`: the arguments of `run_row`."""
    where = ledger.find_folder(folder)
    if not paper:
        if start:
            raise InputError("--run needs --paper.")
        print(overview(where))
        return
    chosen = ledger.read(where, paper)
    tables = chosen.find_tables(table) if table else list(chosen.tables)
    if start:
        run(tables, where, row, **how)
    elif row:
        name = ledger.find_row(tables, row).name
        kept = [dataclasses.replace(t, rows=tuple(r for r in t.rows if r.name == name)) for t in tables]
        print("\n\n".join(whole(chosen, t, where) for t in kept if t.rows))
    elif table:
        print("\n\n".join(whole(chosen, t, where) for t in tables))
    else:
        print(contents(chosen, where))


def run(tables: list[Table], where: pathlib.Path, name: str, **how: Any) -> None:
    """Runs the row called `name`."""
    for flag, value in (("row", name), ("workdir", how["workdir"])):
        if not value:
            raise InputError(f"--run needs --{flag}.")
    chosen = ledger.find_row(tables, name)
    if sum(row.name == chosen.name for table in tables for row in table.rows) > 1:
        raise InputError(f"--run needs --table: several have a row '{chosen.name}'.")
    from contrastive_jax.reproduction.run import run_row  # imports jax, which the lists do not need

    run_row(chosen, where, **how)


def overview(where: pathlib.Path) -> str:
    """The papers."""
    lines = []
    for name in ledger.papers(where):
        paper = ledger.read(where, name)
        lines.append(f"{name:24}{paper.title}\n{'':24}{counts(paper.rows, where)}")
    return "\n".join(lines)


def contents(paper: Paper, where: pathlib.Path) -> str:
    """A paper's tables."""
    width = max(len(table.name) for table in paper.tables)
    lines = [
        f"  {table.name:{width}}  {table.title}\n  {'':{width}}  {counts(table.rows, where)}"
        for table in paper.tables
    ]
    return "\n".join([paper.title, "", *lines])


def counts(rows: Sequence[Row], where: pathlib.Path) -> str:
    """How many numbers there are, and what is there for them."""
    entries = results.read(where)
    ready = sum(row.can_run for row in rows)
    trained = sum(row.can_train for row in rows) - ready
    done = sum(bool(results.of(row, entries)) for row in rows)
    half = f"{trained} can be trained but not judged yet, " if trained else ""
    return f"{len(rows)} numbers: {ready} can be run, {half}{done} were run"


def whole(paper: Paper, table: Table, where: pathlib.Path) -> str:
    """All rows of a table."""
    return "\n".join(
        [f"{paper.title}\n{table.name}: {table.title}", *(one(row, where) for row in table.rows)]
    )


def one(row: Row, where: pathlib.Path) -> str:
    """A row: its name, the published number and ours, the commands, the cost."""
    published = "not printed" if row.value is None else row.published
    lines = ["", row.name, f"  published  {published}  ({row.settings.metric or 'see the title'})"]
    lines += [f"  ours       {line}" for line in results.ours(results.of(row, results.read(where)))]
    run = f"runs/{row.settings.config}"
    if row.can_train:
        lines += [f"  hours      {row.hours()}"]
        lines += [f"  train      {PRETRAIN} {' '.join(quoted(row.pretraining_flags()))} --workdir={run}"]
    if row.can_run:
        lines += [f"  judge      {LINEAR_EVAL} {' '.join(quoted(row.evaluation_flags(run)))}"]
    lines += [f"  missing    {row.lacks}"] * bool(row.lacks)
    lines += [f"  note       {row.settings.note}"] * bool(row.settings.note)
    return "\n".join(lines)


def quoted(flags: list[str]) -> list[str]:
    """Flags as a shell takes them."""
    return [f'"{flag}"' if any(mark in flag for mark in "()'") else flag for flag in flags]


COMMAND = Command(
    "reproduce",
    __doc__,
    reproduce,
    flags=(
        Flag("paper", "", "Name of a paper: selfcon, for example; empty: lists them."),
        Flag("table", "", "Number of a table (1, A.1) or figure (fig7); empty: lists the paper's tables."),
        Flag("row", "", "Name of a row as the table shows it; empty: all rows."),
        Flag("run", False, "Train and judge the row, and add the result to the ledger.", parameter="start"),
        Flag("budget", "", "Wall time for --run: 90s, 30min, 2h, 1.5d; empty: as published."),
        Flag("epochs", 0, "Epochs for --run, in place of a budget."),
        Flag("workdir", "", "Working directory of --run: new, or of the same row to resume."),
        Flag("seed", 0, "Seed of --run."),
        Flag(
            "set", "", "With --run: fields of the config to change, separated by spaces.", parameter="changed"
        ),
        Flag("ledger", "", "Folder of tables; empty: reproduction/ of this checkout.", parameter="folder"),
    ),
)
