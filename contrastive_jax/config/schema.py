"""From the fields of a config section to a component: the component's dataclass is the schema of its section.

An unknown field is refused with the nearest valid name, and so is a value of another type than the default.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from contrastive_jax.errors import InputError, nearest

LINEN_FIELDS = {"parent", "name"}
PLAIN = (bool, int, float, str, tuple)
"""What a config can hold; tuples hold the others."""
PROVIDED = ("encoder", "head", "num_classes", "labels", "examples", "batch_size", "total_steps")
"""Fields without a default that the program fills in where a method declares them (`methods.base.Method`)."""


def schema(cls: type) -> dict[str, dataclasses.Field]:
    """The fields of a component but Linen's own."""
    return {f.name: f for f in dataclasses.fields(cls) if f.init and f.name not in LINEN_FIELDS}


def defaults(cls: type) -> dict[str, Any]:
    """The fields that a config holds without being told: those whose default is plain."""
    return {name: f.default for name, f in schema(cls).items() if isinstance(f.default, PLAIN)}


def settable(cls: type) -> dict[str, dataclasses.Field]:
    """The fields that a config can set: those with a plain default, and those that it must set."""
    return {
        name: f
        for name, f in schema(cls).items()
        if isinstance(f.default, PLAIN) or (_is_required(f) and name not in PROVIDED)
    }


def build(cls: type, where: str, fields: Mapping[str, Any], **provided: Any) -> Any:
    """Makes `cls` from a config section; `provided` goes to those fields of it that the program owns.

    Raises `InputError` for an unknown key, for a value of another type, and for a missing one.
    """
    known = schema(cls)
    provided = {k: v for k, v in provided.items() if k in known}
    values = {}
    for key, value in fields.items():
        path = ".".join(filter(None, ("config", where, key)))
        if key not in known or key in provided:
            raise InputError(f"{path} is unknown: {nearest(key, set(known) - set(provided))}")
        values[key] = checked(path, value, known[key].default)
    try:
        return cls(**values, **provided)
    except TypeError as error:
        raise InputError(f"config.{where} is incomplete: {error}") from error


def _is_required(field: dataclasses.Field) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def checked(where: str, value: Any, default: Any) -> Any:
    """`value` where it has the type of the field's default; an integer is a float where one is due."""
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(default, tuple) and isinstance(value, list):  # tuples come back from JSON as lists
        value = tuple(value)
    if default is dataclasses.MISSING or _like(value, default):
        return value
    raise InputError(
        f"{where} is {value!r}, {_a(type(value).__name__)}: give {_a(type(default).__name__)} such as {default!r}."
    )


def _like(value: Any, default: Any) -> bool:
    """Whether `value` has the type of `default`; in a tuple, every item that of the default's first."""
    if isinstance(default, tuple):
        return isinstance(value, tuple) and (not default or all(_like(item, default[0]) for item in value))
    if isinstance(default, float) and isinstance(value, int):
        return not isinstance(value, bool)
    return isinstance(value, type(default))


def _a(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"
