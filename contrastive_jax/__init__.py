"""Contrastive representation learning in JAX: SupCon, SelfCon, SDSSL, MCL and generalized contrastive losses.

`contrastive_jax.losses` and `contrastive_jax.similarity` are a library: they need only jax, numpy and jaxtyping. The
rest trains and evaluates encoders and needs the extras that `pyproject.toml` lists: `pretrain`, `judge`, `load_encoder`
and the commands.
"""

import importlib
import typing

if typing.TYPE_CHECKING:
    from contrastive_jax.api import judge as judge
    from contrastive_jax.api import pretrain as pretrain
    from contrastive_jax.encoder import Encoder as Encoder
    from contrastive_jax.encoder import load_encoder as load_encoder

__version__ = "0.1.0"

LAZY = {"Encoder": "encoder", "judge": "api", "load_encoder": "encoder", "pretrain": "api"}
"""Names that are imported when they are first used, because the library has to do without their packages."""


def __getattr__(name: str) -> typing.Any:
    if name not in LAZY:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    try:
        return getattr(importlib.import_module(f"{__name__}.{LAZY[name]}"), name)
    except ModuleNotFoundError as error:
        if not error.name or error.name.startswith(__name__):
            raise
        raise ImportError(
            f"{__name__}.{name} needs the package '{error.name}': in the checkout, pip install \".[train]\"."
        ) from error


def __dir__() -> list[str]:
    return sorted({*globals(), *LAZY})
