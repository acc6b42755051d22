"""The text of `--help`: the flags of a command, and every field of its config with docstring, default and type.

The docstring of a field is the string literal after it in its dataclass, so the source is the only documentation.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import itertools
import os
import sys
import textwrap
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from contrastive_jax.config.schema import settable

if typing.TYPE_CHECKING:
    from contrastive_jax.config.flags import Command, Flag
    from contrastive_jax.config.sections import Sections

WIDTH = 100


def page(command: Command, config: Mapping[str, Any] | None) -> str:
    """The help of a command; with a config, its values and the fields of the components that it names."""
    lines = [inspect.cleandoc(command.doc or ""), "", "Flags", ""]
    if command.config:
        file = f"A config file, optionally with an argument after a colon: {command.config.example}."
        lines += entry("--config", "", "required", file)
    for flag in command.all_flags:
        shown = ",".join(flag.default) if isinstance(flag.default, tuple) else flag.default
        lines += entry(f"--{flag.name}", shown, flag_words(flag), flag.help)
    if command.config:
        lines += values_of(command.config, config) if config else all_fields(command.config)
    return "\n".join(lines)


def flag_words(flag: Flag) -> str:
    """What a flag takes."""
    if flag.required:
        return "required"
    if isinstance(flag.default, tuple):
        return "words, separated by commas"
    return f"one of {', '.join(flag.choices)}" if flag.choices else type(flag.default).__name__


def show(text: str) -> None:
    """Prints; a reader like `head` may stop reading early."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def values_of(sections: Sections, config: Mapping[str, Any]) -> Iterator[str]:
    """Every field of a config, with its value."""
    yield from heading(
        "The fields of this config, with their values; any of them can be set on the command line"
    )
    yield from fields(sections, "", sections.top, config)
    for section in (*sections.chosen, *sections.fixed):
        if section not in config:
            continue
        cls = sections.fixed.get(section) or sections.chosen[section].find(config[section]["name"])
        yield from heading(f"{section}: {cls.__name__}", about(cls))
        if section in sections.chosen:
            yield from chooser(sections, section, config[section]["name"])
        yield from fields(sections, section, cls, config[section])


def all_fields(sections: Sections) -> Iterator[str]:
    """Every field of every component, with its default."""
    yield from heading(
        "The fields of a config, with their defaults; any of them can be set on the command line",
        f"With a config (--help --config={sections.example}): only its fields, with its values.",
    )
    yield from fields(sections, "", sections.top, {})
    for section in (*sections.chosen, *sections.fixed):
        if section in sections.fixed:
            yield from heading(section, about(sections.fixed[section]))
            yield from fields(sections, section, sections.fixed[section], {})
            continue
        yield from heading(section)
        yield from chooser(sections, section, "")
        for name, cls in sections.chosen[section].classes().items():
            yield from heading(f"{section}.name={name}", about(cls))
            yield from fields(sections, section, cls, {})


def chooser(sections: Sections, section: str, name: str) -> list[str]:
    """The entry of the field that names a section's component."""
    known = ", ".join(sections.chosen[section].classes())
    text = (
        f"One of {known} (case and underscores do not matter), or the import path of a class of yours, module:Class."
        f" {sections.notes.get(section, '')}"
    )
    return entry(f"--config.{section}.name", name, "str", text)


def fields(sections: Sections, section: str, cls: type, values: Mapping[str, Any]) -> Iterator[str]:
    """An entry per field that a config may set."""
    docs = field_docs(cls)
    for name, field in settable(cls).items():
        path = f"{section}.{name}" if section else name
        text = f"{docs.get(name, '')} {sections.notes.get(path, '')}"
        kind = field.type
        words = kind.__name__ if isinstance(kind, type) and not typing.get_args(kind) else str(kind)
        if field.default is dataclasses.MISSING and name not in values:
            words += ", required"
        yield from entry(f"--config.{path}", values.get(name, field.default), words, text)


def entry(name: str, value: Any, words: str, text: str) -> list[str]:
    """`--name=value (words)` and the text below it."""
    shown = "..." if "required" in words else repr(value) if value != "" else "''"
    lines = textwrap.wrap(text.strip(), WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return [f"  {name}={shown} ({words})", *lines]


def heading(text: str, doc: str = "") -> list[str]:
    return ["", text, *textwrap.indent(doc, "  ").splitlines(), ""]


def about(cls: type) -> str:
    """The class's docstring, unless it is the signature that `dataclasses` puts in place of a missing one."""
    doc = vars(cls).get("__doc__") or ""
    return "" if doc.startswith(f"{cls.__name__}(") else inspect.cleandoc(doc)


@functools.cache
def field_docs(cls: type) -> dict[str, str]:
    """Field -> the string literal after it, in the class or a base class that declares it."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if dataclasses.is_dataclass(base):
            found |= _written(base)
    return found


@functools.cache
def _written(cls: type) -> dict[str, str]:
    try:
        source = inspect.getsource(cls)
    except (OSError, TypeError):  # defined where no file is
        return {}
    (node,) = ast.parse(textwrap.dedent(source)).body
    found = {}
    for statement, text in itertools.pairwise(typing.cast(ast.ClassDef, node).body):
        match statement, text:  # a field that is declared again without words keeps those of the base class
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(doc))):
                found[name] = inspect.cleandoc(doc)
    return found
