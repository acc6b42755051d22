"""Networks: one file per family, whose encoder is the Linen class that returns `outputs.Outputs`.

A config names an encoder by its class (`resnet` is `ResNet`) or by an import path (`my_lab.nets:TinyNet`). A family's
file may name its published members in `NAMED = {"resnet18": {"depth": 18}, ...}` (the fields that differ from the
defaults); a config's argument and a cohort's peers use these names.
"""

import importlib
import pkgutil
from typing import Any

import flax.linen as nn

from contrastive_jax.config.registry import Registry
from contrastive_jax.config.schema import build
from contrastive_jax.errors import InputError, nearest
from contrastive_jax.models.outputs import Outputs


def is_encoder(cls: type[nn.Module]) -> bool:
    """Whether the class is annotated to return `Outputs`, unlike layers, heads and cohorts."""
    return cls.__call__.__annotations__.get("return") is Outputs


ENCODERS = Registry(__name__, "network", base=nn.Module, offered=is_encoder)


def members() -> dict[str, tuple[str, dict[str, Any]]]:
    """Every published network by name: its family and fields, `{"resnet18": ("resnet", {"depth": 18}), ...}`."""
    families = [m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")]
    found = {}
    for family in families:
        named = getattr(importlib.import_module(f"{__name__}.{family}"), "NAMED", {})
        found |= {member: (family, dict(fields)) for member, fields in named.items()}
    return found


def published(name: str) -> tuple[str, dict[str, Any]]:
    """Family and fields of the network called `name`; an import path is a family without fields of its own."""
    if ":" in name:
        return name, {}
    known = members()
    if name not in known:
        raise InputError(f"there is no network '{name}': {nearest(name, known)}")
    return known[name]


def network(name: str, **fields: Any) -> Any:
    """A network by its published name or import path; `fields` (stem, dtype, ...) override the published ones."""
    family, own = published(name)
    return build(ENCODERS.find(family), "network", own | fields)
