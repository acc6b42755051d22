"""The rim that all commands share: flags, one-sentence errors, the processes of a job."""

import os
import sys
from collections.abc import Callable
from typing import Any

from absl import app, flags
from ml_collections import ConfigDict, config_flags

from contrastive_jax import experiment
from contrastive_jax.config import schema as build
from contrastive_jax.errors import InputError
from contrastive_jax.parallel import processes

# Unknown fields are let through here and refused where the section is built: the dataclass is the schema.
CONFIG = config_flags.DEFINE_config_file(
    "config",
    None,
    "Config file, perhaps with an argument after a colon.",
    lock_config=False,
    accept_new_attributes=True,
)
flags.DEFINE_string("coordinator", "", "host:port of process 0, for a job without SLURM or a TPU pod.")
flags.DEFINE_integer("processes", 0, "Number of processes, with --coordinator.")
flags.DEFINE_integer("process", -1, "Number of this process, from 0, with --coordinator.")


def run(command: Callable[[], None]) -> None:
    """Parses the flags and runs `command`; bad input becomes one sentence and exit status 2."""
    app.define_help_flags()
    try:
        parse(sys.argv)
        processes.start(flags.FLAGS.coordinator, flags.FLAGS.processes, flags.FLAGS.process)
        command()
    except InputError as error:
        sys.stdout.flush()
        print(f"error: {error}", file=sys.stderr, flush=True)
        if flags.FLAGS.is_parsed() and processes.several():
            os._exit(2)  # the others may wait for this process in a collective, and it for them at exit
        sys.exit(2)


def parse(argv: list[str]) -> None:
    try:
        rest = flags.FLAGS(argv)
    except flags.Error as error:
        raise InputError(str(error).replace("\n", " ")) from error
    except KeyError as error:
        raise InputError(
            f"an override names a section that the config does not have: {error.args[0]}"
        ) from error
    if len(rest) > 1:
        raise InputError(f"'{rest[1]}' is no flag: flags begin with --.")
    if CONFIG.value is None:
        raise InputError("give a config: --config=configs/selfcon_s.py, for example.")
    if not isinstance(CONFIG.value, ConfigDict):
        file = config_flags.get_config_filename(flags.FLAGS["config"])
        raise InputError(f"the config file {file} does not exist, or what it returns is no ConfigDict.")


def plain_config() -> dict[str, Any]:
    """The command line's config as nested dicts, complete for the classes that it names.

    Where `--config.optimizer.name=lars` chooses another class than the file, the fields of the file's class
    leave the section and the defaults of the new one come in; what the command line sets itself stays.
    """
    config = CONFIG.value.to_dict()
    overridden = config_flags.get_override_values(flags.FLAGS["config"])
    for section in set(experiment.CHOICES) & set(config):
        if f"{section}.name" in overridden:
            cls = experiment.section_class(section, config[section])
            known = build.schema(cls)
            kept = {
                key: value
                for key, value in config[section].items()
                if key == "name" or key in known or f"{section}.{key}" in overridden
            }
            config[section] = build.defaults(cls) | kept
    return config
