"""Networks: one file per family, whose class has the file's name and speaks `outputs.Outputs`.

A family's file may name its published members in `NAMED = {"resnet18": {"depth": 18}, ...}` (fields that differ
from the defaults); a config's argument and a cohort's peers use these names.
"""

import importlib
import pkgutil
from typing import Any

from contrastive_jax.config.schema import build, find_in_package
from contrastive_jax.errors import InputError, nearest


def published(name: str) -> tuple[str, dict[str, Any]]:
    """Family and fields of a network known by `name`: `resnet18` -> ("resnet", {"depth": 18})."""
    modules = [m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")]
    known = {}
    for family in modules:
        members = getattr(importlib.import_module(f"{__name__}.{family}"), "NAMED", {})
        known |= {member: (family, dict(fields)) for member, fields in members.items()}
    if name not in known:
        raise InputError(f"'{name}' names no network: {nearest(name, known)}")
    return known[name]


def network(name: str, **fields: Any) -> Any:
    """A network by its published name; `fields` (stem, dtype, ...) are set over the published ones."""
    family, own = published(name)
    cls = find_in_package(__name__, family, "network")
    return build(cls, "network", own | fields)
