"""A network in named parts: an encoder and its heads, each applied on its own.

`params[part]` and `collections[collection][part]` belong to one part. A method that runs its parts one after the other
can detach between them, or run some of them alone, as a teacher does.
"""

from typing import Any

import flax.linen as nn
from jaxtyping import Array

from contrastive_jax.models.apply import Collections, apply_eval, apply_train

Tree = Any


def collect(**variables: Tree) -> tuple[Tree, Collections]:
    """Parameters and collections of all parts from the Linen variables of each."""
    names = sorted({collection for tree in variables.values() for collection in tree})
    found = {c: {part: tree[c] for part, tree in variables.items() if c in tree} for c in names}
    return found.pop("params"), found


def train(
    part: str,
    module: nn.Module,
    params: Tree,
    collections: Collections,
    inputs: Any,
    key: Array | None = None,
) -> tuple[Any, Collections]:
    """The part's output in train mode, and the collections of all parts with its own updated.

    Args:
      part: its name.
      module: its module, called as `module(inputs, train)`.
      params, collections: of all parts.
      key: for dropout and drop path.
    """
    output, updated = apply_train(module, params[part], _of(part, collections), inputs, key=key)
    return output, {**collections, **{c: {**collections[c], part: new} for c, new in updated.items()}}


def evaluate(part: str, module: nn.Module, params: Tree, collections: Collections, inputs: Any) -> Any:
    """The part's output in evaluation mode."""
    return apply_eval(module, params[part], _of(part, collections), inputs)


def prune(tree: Tree, like: Tree) -> Tree:
    """The branches of `tree` that `like` has too."""
    return {k: prune(tree[k], v) if isinstance(v, dict) else tree[k] for k, v in like.items()}


def _of(part: str, collections: Collections) -> Collections:
    return {c: trees[part] for c, trees in collections.items() if part in trees}
