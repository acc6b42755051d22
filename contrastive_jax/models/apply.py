"""Passes through a Linen module for callers that know parameters and collections only.

A module is called as `module(*inputs, train)`. Its variables are `params`, which the optimizer updates, and
`collections`, which hold all else by name: `batch_stats` (running statistics of BatchNorm), `frozen` (constants).
"""

from typing import Any

import flax.linen as nn
from jaxtyping import Array

Collections = dict[str, Any]
"""A module's variables other than its parameters, by collection."""
UPDATED = ("batch_stats",)
"""Collections that a pass in train mode may change."""


def apply_train(
    module: nn.Module,
    params: Any,
    collections: Collections,
    *inputs: Any,
    key: Array | None = None,
    method: Any = None,
) -> tuple[Any, Collections]:
    """The module's output in train mode, and its collections after the pass.

    Args:
        params: The module's parameters.
        collections: The module's other variables.
        inputs: Positional inputs; `train` follows them.
        key: Random key of dropout and drop path. A module without them needs none.
        method: Function of the module to call, or its name; `__call__` by default.

    Returns:
        The output, and collections of the same structure. Leaves that the pass does not update are the same objects
        as before.
    """
    mutable = [name for name in UPDATED if name in collections]
    rngs = {} if key is None else {"dropout": key}
    output, updated = module.apply(
        {"params": params, **collections}, *inputs, True, mutable=mutable, rngs=rngs, method=method
    )
    return output, {**collections, **updated}


def apply_eval(
    module: nn.Module, params: Any, collections: Collections, *inputs: Any, method: Any = None
) -> Any:
    """The module's output in evaluation mode. The arguments are those of `apply_train`."""
    return module.apply({"params": params, **collections}, *inputs, False, method=method)
