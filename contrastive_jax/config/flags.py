"""The command line: what a command is, what its flags are, and how bad input is reported.

Every command parses into a `FlagValues` of its own, so any number of them can be imported or run in one process.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
import sys
import traceback
import typing
from collections.abc import Callable, Sequence
from typing import Any

from absl import flags
from ml_collections import ConfigDict, config_flags

from contrastive_jax.commands import PROGRAM
from contrastive_jax.config import help, registry
from contrastive_jax.errors import InputError, Stopped

if typing.TYPE_CHECKING:
    from contrastive_jax.config.sections import Sections


@dataclasses.dataclass(frozen=True)
class Flag:
    """A flag `--name=value`, whose type is that of its default."""

    name: str
    default: bool | int | str | tuple[str, ...]
    """A tuple is given as words separated by commas."""
    help: str
    choices: tuple[str, ...] = ()
    """The only valid values, if there are few."""
    required: bool = False
    parameter: str = ""
    """The parameter of the command's function that receives the value; "": the flag's name."""

    def define(self, values: flags.FlagValues) -> None:
        """Adds the flag to `values`."""
        match self.default:
            case str() if self.choices:
                flags.DEFINE_enum(self.name, self.default, self.choices, self.help, flag_values=values)
            case str():
                flags.DEFINE_string(self.name, self.default, self.help, flag_values=values)
            case bool():
                flags.DEFINE_bool(self.name, self.default, self.help, flag_values=values)
            case int():
                flags.DEFINE_integer(self.name, self.default, self.help, flag_values=values)
            case tuple():
                flags.DEFINE_list(self.name, list(self.default), self.help, flag_values=values)

    def value(self, values: flags.FlagValues) -> Any:
        """The parsed value. Raises InputError where it is missing."""
        value: Any = values[self.name].value
        if self.required and not value:
            raise InputError(f"give --{self.name}, {self.help[0].lower()}{self.help[1:]}")
        return tuple(value) if isinstance(self.default, tuple) else value


PROCESSES = (
    Flag("coordinator", "", "host:port of process 0, for a job without SLURM or a TPU pod."),
    Flag("processes", 0, "Number of processes, with --coordinator."),
    Flag("process", -1, "Number of this process, from 0, with --coordinator."),
)


@dataclasses.dataclass(frozen=True)
class Command:
    """What a module of `commands/` calls `COMMAND`."""

    name: str
    doc: str | None
    """The module's docstring: a summary on the first line, then the help."""
    run: Callable[..., int | None]
    """Takes the flags as keyword arguments, and `config`, nested dicts, if the command has one. Returns the exit
    status; None is 0."""
    flags: tuple[Flag, ...] = ()
    config: Sections | None = None
    """The layout of the config that `--config` names; such a command can be one of several processes."""

    @property
    def all_flags(self) -> tuple[Flag, ...]:
        """All flags but `--config` and `--help`."""
        return (*self.flags, *PROCESSES) if self.config else self.flags

    def main(self, arguments: Sequence[str]) -> int:
        """Runs the command; returns its exit status. Bad input becomes one sentence on stderr and status 2."""
        try:
            values = self.parse(arguments)
            if values["help"].value:
                chosen = _config(self.config, values) if self.config and values["config"].present else None
                help.show(help.page(self, chosen))
                return 0
            given = {"config": _config(self.config, values)} if self.config else {}
            given |= {flag.parameter or flag.name: flag.value(values) for flag in self.flags}
            if self.config:
                _join(*(flag.value(values) for flag in PROCESSES))
            return self.run(**given) or 0
        except InputError as error:
            return self._stop(2, f"error: {error}")
        except Stopped as stopped:
            print(stopped, file=sys.stderr, flush=True)
            return stopped.status
        except KeyboardInterrupt as signal:
            return self._stop(130, str(signal) or "interrupted.")

    def composed(self, arguments: Sequence[str]) -> dict[str, Any]:
        """The config that the command would get from a command line. Raises InputError as `main` reports it."""
        if self.config is None:
            raise TypeError(f"the command {self.name} has no config")
        return _config(self.config, self.parse(arguments))

    def _stop(self, status: int, words: str) -> int:
        """Says why the command ends before its work is done, and returns its exit status."""
        sys.stdout.flush()
        print(words, file=sys.stderr, flush=True)
        if self.config and _several():
            os._exit(status)  # the others may wait for this process in a collective, and it for them at exit
        return status

    def parse(self, arguments: Sequence[str]) -> flags.FlagValues:
        """The flags of a command line. Raises InputError for what cannot be parsed."""
        values, argv = flags.FlagValues(), [f"{PROGRAM} {self.name}", *arguments]
        flags.DEFINE_bool("help", False, "Print this.", short_name="h", flag_values=values)
        for flag in self.all_flags:
            flag.define(values)
        if self.config:
            registry.search_current_directory()  # for what config files import
            config_flags.DEFINE_config_file(
                "config",
                flag_values=values,
                sys_argv=argv,
                # Unknown fields are refused where the section is built: the dataclass is the schema.
                lock_config=False,
                accept_new_attributes=True,
            )
        try:
            rest = values(argv)
        except flags.Error as error:
            raise InputError(_in_our_words(" ".join(str(error).split()))) from error
        except (KeyError, AttributeError, TypeError) as error:
            why = " ".join(str(error.args[0]).split())
            if any(frame.name == "get_config" for frame in traceback.extract_tb(error.__traceback__)):
                raise InputError(f"get_config() failed: {why}") from error
            paths = [match[1] for word in argv if (match := re.match(r"--config\.([\w.]+)", word))]
            if self.config:
                self.config.refuse_unknown(paths)
            why = next((f"config.{path}" for path in paths if path.count(".") > 1), why)
            raise InputError(f"an override names a field that the config does not have: {why}") from error
        if len(rest) > 1:
            raise InputError(f"'{rest[1]}' is not a flag: flags begin with --.")
        return values


def _config(sections: Sections, values: flags.FlagValues) -> dict[str, Any]:
    """The command line's config, complete for the classes that it names."""
    flag = values["config"]
    if flag.value is None:
        raise InputError(f"give a config, for example --config={sections.example}.")
    if not isinstance(flag.value, ConfigDict):
        file = pathlib.Path(config_flags.get_config_filename(flag))
        if not file.exists():
            raise InputError(f"the config file {file} does not exist in {os.getcwd()}: give its path.")
        raise InputError(
            f"get_config() in {file} returns a {type(flag.value).__name__}: it must return a ConfigDict."
        )
    return sections.resolve(flag.value.to_dict(), config_flags.get_override_values(flag))


WANTED = {"literal for int": "an integer", "string to float": "a number", "Non-boolean": "True or False"}
"""What to give where Python's words about a value contain the key."""


def _in_our_words(message: str) -> str:
    """absl's message; of a value of the wrong type, in the words of the other errors."""
    match = re.fullmatch(r"flag (--[\w.]+)=(.*?): .*", message)
    wanted = [ours for theirs, ours in WANTED.items() if theirs in message]
    return f"{match[1]} is '{match[2]}': give {wanted[0]}." if match and wanted else message


def _join(coordinator: str, processes: int, process: int) -> None:
    from contrastive_jax.parallel import processes as job  # imports jax, which not every command needs

    job.start(coordinator, processes, process)


def _several() -> bool:
    from contrastive_jax.parallel import processes as job

    return job.several()
