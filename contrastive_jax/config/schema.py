"""From names and fields to components: a dataclass is the schema of its section of the config.

A component (method, network, optimizer, ...) is found by its file or class name, so that adding one is a
new file with no list to edit. An unknown field is refused with the nearest valid one.
"""

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from typing import Any

from contrastive_jax.errors import InputError, nearest

LINEN_FIELDS = {"parent", "name"}


def find_in_package(package: str, name: str, kind: str) -> Any:
    """The class of the file `name` in `package`, called the same but for case and underscores."""
    folder = importlib.import_module(package)
    names = [m.name for m in pkgutil.iter_modules(folder.__path__) if not m.name.startswith("_")]
    if name not in names:
        raise InputError(f"unknown {kind} '{name}': {nearest(name, names)}")
    return find_in_module(importlib.import_module(f"{package}.{name}"), name, kind)


def find_in_module(module, name: str, kind: str) -> Any:
    """The dataclass of `module` called `name` but for case and underscores."""
    classes = {
        snake(key): value
        for key, value in vars(module).items()
        if inspect.isclass(value) and dataclasses.is_dataclass(value) and value.__module__ == module.__name__
    }
    found = classes.get(snake(name))
    if found is None:
        raise InputError(f"unknown {kind} '{name}': {nearest(name, classes)}")
    return found


def snake(name: str) -> str:
    """Name without case and underscores: `SelfConS` and `selfcon_s` are the same."""
    return name.replace("_", "").lower()


def schema(cls: type) -> dict[str, dataclasses.Field]:
    """The fields that a config may set."""
    return {f.name: f for f in dataclasses.fields(cls) if f.init and f.name not in LINEN_FIELDS}


def defaults(cls: type) -> dict[str, Any]:
    """Fields with a default that a config can hold: numbers, strings, booleans and tuples of them."""
    plain = (bool, int, float, str, tuple)
    return {name: f.default for name, f in schema(cls).items() if isinstance(f.default, plain)}


def build(cls: type, where: str, fields: Mapping[str, Any], **provided: Any) -> Any:
    """Makes `cls` from a config section; `provided` goes to those fields of it that the program owns.

    Raises `InputError` for a key that is no field, for a value of another type, and for a missing one.
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


def checked(where: str, value: Any, default: Any) -> Any:
    """`value` where it has the type of the field's default; an integer is a float where one is due."""
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(default, tuple) and isinstance(value, list):  # tuples come back from JSON as lists
        value = tuple(value)
    if default is dataclasses.MISSING or isinstance(value, type(default)):
        return value
    expected = type(default).__name__
    raise InputError(
        f"{where} is {value!r}, a {type(value).__name__}: give a {expected} such as {default!r}."
    )
