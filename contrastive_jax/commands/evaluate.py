"""Judges the frozen encoder of a run: k-NN, few shots, calibration, early exit, retrieval and others.

    python -m contrastive_jax evaluate --config=configs/evaluate.py:knn,calibration --config.pretrained=runs/a

The config's argument names the evaluations. The features of the training and test images are computed once for all of
them, and kept in `features/` of the run directory for the next time. Each evaluation prints a table and writes
`evaluate/NAME.json` there, with its settings, intervals and versions. Nothing is chosen on the test set: penalties,
temperatures and thresholds come from a held-out slice of the training images.
"""

import dataclasses
import json
import math
import pathlib
import time
from collections.abc import Mapping
from typing import Any

import jax

from contrastive_jax.config.flags import Command
from contrastive_jax.config.schema import build
from contrastive_jax.config.sections import SEVERAL
from contrastive_jax.errors import InputError
from contrastive_jax.evaluate.evaluations import EVALUATIONS
from contrastive_jax.evaluate.evaluations.freeze import freeze
from contrastive_jax.evaluate.figures import Found, text
from contrastive_jax.evaluate.settings import Evaluations
from contrastive_jax.experiment import assemble
from contrastive_jax.train.run_directory import RunDirectory, differences, environment, write_json


def judge(config: dict[str, Any]) -> None:
    """Does the evaluations that `config` has a section for; each prints a table and writes its record."""
    settings, evaluations = parts(config)
    if jax.process_count() > 1:
        raise InputError("evaluate runs in one process: start it once, without --coordinator or srun.")
    run = RunDirectory(pathlib.Path(settings.pretrained))
    experiment = assemble(run.config())
    records = {
        name: Record(run.path / settings.folder / f"{name}.json", config, name) for name in evaluations
    }
    for record in records.values():
        record.check()
    frozen, judged = freeze(experiment, run, settings)
    for name, evaluation in evaluations.items():
        started = time.perf_counter()
        found = evaluation.measure(frozen)
        records[name].write(judged, found, seconds=time.perf_counter() - started)
        print(f"\n{run.path} at step {judged['step']}, {name}: {evaluation.caption}")
        print(text(found.table, "exit"))
        print(f"Details: {records[name].file}", flush=True)


def parts(config: Mapping[str, Any]) -> tuple[Evaluations, dict[str, Any]]:
    """The top-level fields, and the evaluations by name."""
    settings = build(Evaluations, "", {key: config[key] for key in config if key not in EVALUATIONS})
    if not settings.pretrained:
        raise InputError("give the run to judge: --config.pretrained=runs/a, for example.")
    names = [name for name in EVALUATIONS if name in config]
    return settings, {name: build(EVALUATIONS[name], name, config[name]) for name in names}


@dataclasses.dataclass(frozen=True)
class Record:
    """The file of one evaluation, guarded against being overwritten by one with other settings."""

    file: pathlib.Path
    config: Mapping[str, Any]
    name: str

    @property
    def settings(self) -> dict[str, Any]:
        """The top-level fields, and the section of this evaluation."""
        return {
            key: value for key, value in self.config.items() if key == self.name or key not in EVALUATIONS
        }

    def check(self) -> None:
        """Raises InputError if the file holds an evaluation with other settings. Call it before reading data."""
        if not self.file.exists():
            return
        there = json.loads(self.file.read_text())["settings"]
        if differing := differences(there, json.loads(json.dumps(self.settings))):
            raise InputError(
                f"{self.file} holds an evaluation with other settings, {'; '.join(differing)}: choose another"
                " --config.folder."
            )

    def write(self, judged: Mapping[str, Any], found: Found, *, seconds: float) -> None:
        """judged: what identifies the encoder and the images."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        table = {
            row: {k: figure._asdict() for k, figure in cells.items()} for row, cells in found.table.items()
        }
        content = {"evaluation": self.name, **judged, "figures": table, "details": found.details}
        content |= {"seconds": seconds, "settings": self.settings, "environment": environment()}
        write_json(self.file, finite(content))


def finite(value: Any) -> Any:
    """The value with None for numbers that JSON has not: NaN and the infinities."""
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


COMMAND = Command("evaluate", __doc__, judge, config=SEVERAL)
