"""Components by name: a class or function of this package, or an import path into the user's own code.

`supcon_in` is the class `SupConIn` in whatever file of the package defines it (case and underscores do not matter), so
a new component needs a file and no list. `my_lab.methods:BarlowTwins` is imported as it is written.
"""

import dataclasses
import importlib
import importlib.util
import inspect
import os
import pkgutil
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

from contrastive_jax.errors import InputError, closest, nearest

IMPORT_PATH = re.compile(r"([A-Za-z_][\w.]*):([A-Za-z_]\w*)")


@dataclasses.dataclass(frozen=True)
class Registry:
    """The components of one kind, found by class name."""

    package: str
    """Module or package whose public modules define the classes."""
    kind: str
    """What a class of it is, for errors: `method`, `network`, ..."""
    base: type | None = None
    """Class that all of them inherit from, if there is one."""
    offered: Callable[[type], bool] = lambda cls: True
    """Which of the package's dataclasses are components; not applied to import paths."""

    def find(self, name: str) -> type:
        """The class called `name`, in any case and with or without underscores, or at the import path `name`.

        Raises:
          InputError: no class of that name (the nearest is named), a failed import, or an imported object that is
            abstract, not a dataclass, or does not inherit from `base`.
        """
        if ":" in name:
            return _checked_class(imported(name, self.kind), name, self.kind, self.base)
        return _pick(name, self.classes(), self.kind)

    def classes(self) -> dict[str, type]:
        """Every class that `find` offers by name: concrete dataclasses in public modules of the package."""
        found: dict[str, type] = {}
        for module in _public_modules(self.package):
            for name, cls in vars(module).items():
                if name.startswith("_") or not inspect.isclass(cls) or cls.__module__ != module.__name__:
                    continue
                if inspect.isabstract(cls) or not issubclass(cls, self.base or object):
                    continue
                if dataclasses.is_dataclass(cls) and self.offered(cls):
                    found[name] = cls
        return dict(sorted(found.items(), key=lambda item: normalised(item[0])))


def function(module: str, name: str, kind: str) -> Callable[..., Any]:
    """The public function `name` of `module`, or the one at an import path `module:function`.

    Raises:
      InputError: no function of that name (the nearest is named), a failed import, or not a function.
    """
    if ":" not in name:
        return _pick(name, functions(module), kind)
    found = imported(name, kind)
    if inspect.isclass(found) or not callable(found):
        raise InputError(f"{kind} '{name}' is not a function.")
    return found


def functions(module: str) -> dict[str, Callable[..., Any]]:
    """The public functions that `module` defines, aliases included."""
    return {
        name: value
        for name, value in vars(importlib.import_module(module)).items()
        if inspect.isfunction(value) and value.__module__ == module and not name.startswith("_")
    }


def imported(path: str, kind: str) -> Any:
    """The object at the import path `module:attribute`, from an installed package or the current directory.

    Raises:
      InputError: not an import path, no such module, no such attribute, or a failing import in the module.
    """
    match = IMPORT_PATH.fullmatch(path)
    if match is None:
        raise InputError(f"{kind} '{path}' is not an import path: write module:name, e.g. my_lab.code:Name.")
    module_name, attribute = match.groups()
    if module_name.endswith(".py"):
        raise InputError(
            f"{kind} '{path}' names a file: write its module, {module_name.removesuffix('.py')}:{attribute}."
        )
    search_current_directory()
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name
        if missing and f"{module_name}.".startswith(f"{missing}."):
            raise InputError(
                f"{kind} '{path}': there is no module '{missing}'. It must be importable: in the current directory"
                f" ({os.getcwd()}), installed, or in a directory on PYTHONPATH."
            ) from error
        raise InputError(f"{kind} '{path}': importing '{module_name}' failed: {error}.") from error
    if not hasattr(module, attribute):
        public = [name for name in vars(module) if not name.startswith("_")]
        raise InputError(
            f"{kind} '{path}': '{module_name}' has no '{attribute}': {nearest(attribute, public)}"
        )
    return getattr(module, attribute)


def module_exists(name: str) -> bool:
    """Whether there is a module of that name; imports at most its parent packages."""
    search_current_directory()
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def search_current_directory() -> None:
    """Adds the current directory to the import path, last: `python -m` has it there, a console script does not."""
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())


def normalised(name: str) -> str:
    """The name without case and underscores: `SelfConS` and `selfcon_s` are the same."""
    return name.replace("_", "").lower()


def _public_modules(package: str) -> list[Any]:
    """The module itself and, for a package, its public modules."""
    module = importlib.import_module(package)
    inside = [m.name for m in pkgutil.iter_modules(getattr(module, "__path__", ()))]
    return [
        module,
        *(importlib.import_module(f"{package}.{name}") for name in inside if not name.startswith("_")),
    ]


def _pick(name: str, known: Mapping[str, Any], kind: str) -> Any:
    """The value of `known` whose key is `name` but for case and underscores."""
    spelled = {normalised(key): key for key in known}
    if normalised(name) in spelled:
        return known[spelled[normalised(name)]]
    close = closest(normalised(name), spelled)
    raise InputError(f"unknown {kind} '{name}': {nearest(spelled[close] if close else name, known)}")


def _checked_class(value: Any, path: str, kind: str, base: type | None) -> type:
    """`value` if it can be a component; InputError otherwise."""
    if not inspect.isclass(value):
        raise InputError(f"{kind} '{path}' is not a class.")
    if base and not issubclass(value, base):
        raise InputError(f"{kind} '{path}' does not inherit from {base.__module__}.{base.__qualname__}.")
    if "__dataclass_fields__" not in vars(value):
        raise InputError(
            f"{kind} '{path}' is not a dataclass: decorate it with @dataclasses.dataclass(frozen=True, kw_only=True),"
            " for its fields to be fields of the config."
        )
    if missing := getattr(value, "__abstractmethods__", None):
        raise InputError(f"{kind} '{path}' is abstract: it lacks {', '.join(sorted(missing))}.")
    return value
