"""A run directory: the complete record of one training run, guarded against being overwritten.

config.json        the resolved config              metrics.jsonl   one line per logging interval
environment.jsonl  a line per start: command,       tensorboard/    the same, as events
                   code, packages, hardware         checkpoints/    orbax
parameters.txt     clu's overview                   summary.json    at the end
resolved.json      what the first start found its images to be and decided for its machine, kept by later starts
failed.txt         why the run stopped before it kept anything: another config may then take the directory
"""

import contextlib
import datetime
import importlib.metadata
import json
import pathlib
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import jax
from clu import parameter_overview
from jax.experimental import multihost_utils

import contrastive_jax
from contrastive_jax.errors import InputError
from contrastive_jax.parallel.mesh import Stack

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "clu", "tensorflow-datasets")


class RunDirectory:
    """Paths and small files of a run. Only process 0 writes; every process checks."""

    def __init__(self, path: pathlib.Path, *, elsewhere: str = "choose another --workdir"):
        self.path = path
        self._elsewhere = elsewhere  # advice if the path is taken
        self.writes = jax.process_index() == 0

    @property
    def checkpoints(self) -> pathlib.Path:
        return self.path / "checkpoints"

    @property
    def metrics(self) -> pathlib.Path:
        return self.path / "metrics.jsonl"

    @property
    def failure(self) -> pathlib.Path:
        return self.path / "failed.txt"

    @contextlib.contextmanager
    def open(self, config: Mapping[str, Any]) -> Iterator[None]:
        """Creates the directory for `config`, or accepts one that holds the same config (to resume).

        What then runs inside the `with` may fail before it has kept anything. The directory says so and is free again.

        Raises InputError if it holds another config (the differing fields are named) or is not a run.
        """
        if self.writes:
            self.check(config)
            self.path.mkdir(parents=True, exist_ok=True)
            if self.failure.exists():
                (self.path / "resolved.json").unlink(missing_ok=True)
                self.failure.unlink()
            write_json(self.path / "config.json", config)
            with (self.path / "environment.jsonl").open("a") as log:
                log.write(json.dumps(environment()) + "\n")
        multihost_utils.sync_global_devices("run directory is open")
        try:
            yield
        except BaseException as error:
            if self.writes and not self.keeps():
                self.failure.write_text(f"{str(error) or type(error).__name__}\n")
            raise

    def keeps(self) -> bool:
        """Whether there is a result to lose: a checkpoint or a summary."""
        saved = self.checkpoints.glob("[0-9]*") if self.checkpoints.exists() else ()
        return any(saved) or (self.path / "summary.json").exists()

    def check(self, config: Mapping[str, Any]) -> None:
        """The checks of `open`, without side effects. Call it before what takes long."""
        file = self.path / "config.json"
        free = self.failure.exists() and not self.keeps()
        if self.writes and file.exists() and not free:
            differing = differences(json.loads(file.read_text()), json.loads(json.dumps(config)))
            if differing:
                few = len(differing) == 1
                fields = f" {differing[0]}; " if few else "\n  " + "\n  ".join(differing) + "\n"
                raise InputError(f"{self.path} holds a run with another config:{fields}{self._elsewhere}.")
        elif self.writes and not free and self.path.exists() and any(self.path.iterdir()):
            raise InputError(f"{self.path} is not empty and is not a run: {self._elsewhere}.")

    def config(self) -> dict[str, Any]:
        """The config of a finished or running run. Raises InputError if the path is not a run."""
        file = self.path / "config.json"
        if not file.exists():
            raise InputError(
                f"{self.path} is not a run (no config.json): give the --workdir of a pretraining."
            )
        return json.loads(file.read_text())

    def record(self) -> dict[str, Any]:
        """What earlier starts resolved, by name."""
        file = self.path / "resolved.json"
        return json.loads(file.read_text()) if file.exists() else {}

    def resolved(self, name: str, value: Any) -> Any:
        """What the run's first start decided for `name`: `value` if this is the first start, else the record."""
        recorded = self.record()
        multihost_utils.sync_global_devices(f"read {name}")  # all have read before one writes
        if name not in recorded and self.writes:
            write_json(self.path / "resolved.json", recorded | {name: value})
        return recorded.get(name, value)

    def write_parameters(self, params: Any) -> None:
        if self.writes:
            (self.path / "parameters.txt").write_text(parameter_table(params) + "\n")

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        if self.writes:
            write_json(self.path / "summary.json", summary)


def parameter_count(params: Any) -> int:
    """The number of parameters, of all networks together."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def parameter_table(params: Any) -> str:
    """clu's overview of the parameters: a line for each, and their number."""
    named = params._asdict() if isinstance(params, Stack) else params
    return parameter_overview.get_parameter_overview(named, include_stats=False)


def differences(old: Mapping, new: Mapping) -> list[str]:
    """Every field in which two configs differ, with both values."""
    old, new = flat(old), flat(new)
    return [
        f"{key} ({old.get(key, 'absent')!r} there, {new.get(key, 'absent')!r} now)"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]


def flat(tree: Mapping, prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, keys joined by dots."""
    leaves = {}
    for key, value in tree.items():
        leaves |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return leaves


def environment() -> dict[str, Any]:
    """What a reader needs to judge or repeat the run."""
    return {
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "contrastive_jax": contrastive_jax.__version__,
        "git": git_revision(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "backend": jax.default_backend(),
        "device": jax.devices()[0].device_kind,
        "devices": jax.device_count(),
        "processes": jax.process_count(),
    }


def version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


def git_revision() -> str:
    """Commit of the code, with `-dirty` if it has uncommitted changes; empty outside a checkout."""
    folder = pathlib.Path(__file__).parent
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def write_json(file: pathlib.Path, content: Mapping[str, Any]) -> None:
    """Written aside and renamed: a reader never sees half a file."""
    aside = file.with_suffix(".tmp")
    aside.write_text(json.dumps(content, indent=2) + "\n")
    aside.replace(file)
