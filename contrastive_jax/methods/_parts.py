"""Networks as parts by name: an encoder, its heads, and the state of each.

`params[part]` and `extra[collection][part]` (`batch_stats` holds BatchNorm's) belong to one part. A method that
passes its parts one after the other can detach between them, or run some of them alone, as a teacher does.
"""

from typing import Any

from jaxtyping import Array

from contrastive_jax.methods import Tree

OWN = ("teacher", "queue")
"""Names in `extra` that are no collection of a part."""


def collect(**variables: Tree) -> tuple[Tree, Tree]:
    """`params` and `extra` from the variables of every part."""
    names = sorted({collection for tree in variables.values() for collection in tree})
    found = {c: {part: tree[c] for part, tree in variables.items() if c in tree} for c in names}
    return found.pop("params"), found


def train(
    part: str, module: Any, params: Tree, extra: Tree, inputs: Any, key: Array | None = None
) -> tuple[Any, Tree]:
    """The part's output in train mode, and `extra` with its new statistics. The key is for dropout."""
    state, rngs = _state(part, extra), {} if key is None else {"dropout": key}
    variables = {"params": params[part], **state}
    output, new = module.apply(variables, inputs, True, mutable=list(state), rngs=rngs)
    return output, {**extra, **{c: {**extra[c], part: new[c]} for c in state}}


def evaluate(part: str, module: Any, params: Tree, extra: Tree, inputs: Any) -> Any:
    """The part's output in evaluation mode."""
    return module.apply({"params": params[part], **_state(part, extra)}, inputs, False)


def prune(tree: Tree, like: Tree) -> Tree:
    """The branches of `tree` that `like` has too."""
    return {k: prune(tree[k], v) if isinstance(v, dict) else tree[k] for k, v in like.items()}


def _state(part: str, extra: Tree) -> Tree:
    return {c: trees[part] for c, trees in extra.items() if c not in OWN and part in trees}
