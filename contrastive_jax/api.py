"""The main commands as functions: what `python -m contrastive_jax pretrain` and `linear_eval` do, from Python."""

import json
import os
import pathlib
from typing import Any

from ml_collections import ConfigDict

from contrastive_jax import linear_eval, main
from contrastive_jax.config.flags import Command
from contrastive_jax.config.presets import evaluation
from contrastive_jax.config.sections import Sections
from contrastive_jax.errors import InputError
from contrastive_jax.train.run_directory import RunDirectory, flat


def pretrain(config: str | ConfigDict, workdir: str | os.PathLike[str], /, **overrides: Any) -> pathlib.Path:
    """Pretrains in the run directory `workdir`, as the command `pretrain` does; the same call again resumes.

    Args:
      config: a ConfigDict, or the path of a config file with its argument: `"configs/selfcon_s.py:cifar100,resnet18"`.
      workdir: a new run directory, or that of the same config.
      overrides: fields of the config. A section is a dict, and a dotted key names a field of one:
        `pretrain(config, workdir, batch_size=64, network={"width": 4}, **{"optimizer.name": "lars"})`.

    Returns:
      The run directory, for `load_encoder` and `judge`.

    Raises:
      InputError: a wrong field, data that cannot be trained on, or a directory that holds another run.
    """
    main.pretrain(composed(main.COMMAND, config, overrides), workdir=os.fspath(workdir))
    return pathlib.Path(workdir)


def judge(
    run: str | os.PathLike[str], config: str | ConfigDict | None = None, /, **overrides: Any
) -> dict[str, Any]:
    """Evaluates the frozen encoder of a run, as the command `linear_eval` does.

    Args:
      run: the directory of the pretraining.
      config: a ConfigDict, or a path such as `"configs/linear_eval.py:quick"`; None: the default protocol.
      overrides: fields of the config, as in `pretrain`.

    Returns:
      The content of the evaluation's `summary.json`; `top1` holds the accuracies in percent.

    Raises:
      InputError: a wrong field, not a run, or no images to judge with.
    """
    config = evaluation() if config is None else config
    resolved = composed(linear_eval.COMMAND, config, overrides | {"pretrained": os.fspath(run)})
    linear_eval.judge(resolved)
    folder = RunDirectory(pathlib.Path(run)).path / resolved["folder"]
    return json.loads((folder / "summary.json").read_text())


def composed(command: Command, config: str | ConfigDict, overrides: dict[str, Any]) -> dict[str, Any]:
    """The config that the command would get from its command line."""
    sections, given = command.config, flat(overrides)
    assert isinstance(sections, Sections)
    found = config.to_dict() if isinstance(config, ConfigDict) else command.composed([f"--config={config}"])
    for path, value in given.items():
        section, _, field = path.rpartition(".")
        sections.refuse_unknown([section or field])
        inside = found.get(section) if section else found
        if not isinstance(inside, dict):
            raise InputError(f"config.{section} is a field: give a value, not fields of its own.")
        if isinstance(inside.get(field), dict):
            raise InputError(f"config.{field} is {value!r}: it is a section, give a dict of its fields.")
        inside[field] = value
    return sections.resolve(found, given)
