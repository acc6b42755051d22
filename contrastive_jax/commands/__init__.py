"""The commands of `python -m contrastive_jax`: one file each, which defines `COMMAND`.

The first line of a file's docstring is the command's line in the list; nothing is imported to print it.
"""

from __future__ import annotations

import ast
import importlib
import pathlib
import pkgutil
import typing

from contrastive_jax.errors import InputError, nearest

if typing.TYPE_CHECKING:  # the list is printed where only the losses' packages are installed
    from contrastive_jax.config.flags import Command

PROGRAM = "python -m contrastive_jax"


def names() -> list[str]:
    """All commands, in alphabetical order."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def summary(name: str) -> str:
    """What a command does, in one line."""
    source = pathlib.Path(__path__[0], f"{name}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]


def load(name: str) -> Command:
    """The command called `name`.

    Raises:
      InputError: no such command, or a package that it needs is not installed.
    """
    if name not in names():
        raise InputError(f"there is no command '{name}': {nearest(name, names())}")
    try:
        return importlib.import_module(f"{__name__}.{name}").COMMAND
    except ModuleNotFoundError as error:
        if not error.name or error.name.startswith("contrastive_jax"):
            raise
        raise InputError(
            f"the command '{name}' needs the package '{error.name}': in the checkout, pip install \".[train]\"."
        ) from error
