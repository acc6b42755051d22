"""Weights between our variables and PyTorch state dicts, both ways, under the namings of `models.torch_names`.

A state dict is `{name: array}` here, read from and written to files by `bridge.files`. Reading forgives what does
not concern the weights: `module.` that DataParallel puts anywhere into a name, `_orig_mod.` of compiled modules and
BatchNorm's counters. Going to PyTorch and back changes no bit.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import numpy as np

from contrastive_jax.errors import InputError, nearest
from contrastive_jax.torch_weights.names import torch_leaves

Variables = dict[str, Any]
"""A network's `params`, `batch_stats`, ..., as Linen's `init` returns them."""
StateDict = dict[str, np.ndarray]
COUNTER = "num_batches_tracked"
"""BatchNorm's counter of batches, which PyTorch expects and nothing of ours needs."""


def from_torch(
    like: Variables,
    tensors: Mapping[str, np.ndarray],
    naming: str,
    *,
    prefix: str = "",
    without: Iterable[str] = (),
    computed: Mapping[str, np.ndarray] | None = None,
) -> Variables:
    """The variables of a network shaped `like` (arrays, or their shapes), filled from a state dict.

    naming: of `models.torch_names`, e.g. `selfcon_resnet`.
    prefix: only tensors whose names begin so count, without it: `student.` for one of several networks.
    without: beginnings of names that our network has no place for, e.g. `("fc.",)`.
    computed: what the state dict holds and our network computes; it has to agree.

    Raises InputError with all names that are missing, left over or of another shape.
    """
    theirs = clean(tensors, prefix)
    fixed = dict(computed or {})
    left = {name for name in theirs if not name.startswith(tuple(without))}
    shapes = {
        leaf.name: tuple(array.shape[axis] for axis in leaf.axes) for leaf, array in pairs(like, naming)
    }
    check(shapes | {k: v.shape for k, v in fixed.items() if k in theirs}, theirs, left)
    check_computed(fixed, theirs)
    leaves = torch_leaves(like, naming)

    def fill(path, array):
        leaf = leaves[jax.tree_util.keystr(path, simple=True, separator="/")]
        return np.ascontiguousarray(leaf.ours(theirs[leaf.name])).astype(array.dtype)

    return jax.tree_util.tree_map_with_path(fill, like)


def to_torch(
    variables: Variables,
    naming: str,
    *,
    prefix: str = "",
    computed: Mapping[str, np.ndarray] | None = None,
) -> StateDict:
    """The state dict of a network, with the counters of BatchNorm at 0 and `computed` added."""
    tensors = {
        leaf.name: np.ascontiguousarray(leaf.theirs(np.asarray(array)))
        for leaf, array in pairs(variables, naming)
    }
    tensors |= computed or {}
    for name in list(tensors):
        if name.endswith("running_mean"):
            tensors[name.removesuffix("running_mean") + COUNTER] = np.zeros((), np.int64)
    return {prefix + name: tensors[name] for name in sorted(tensors)}


def clean(tensors: Mapping[str, np.ndarray], prefix: str = "") -> StateDict:
    """Without wrappers in the names, counters, and whatever does not begin with `prefix`."""
    found = {re.sub(r"(^|\.)(?:module\.|_orig_mod\.)+", r"\1", name): a for name, a in tensors.items()}
    if not any(name.startswith(prefix) for name in found):
        heads = {name.partition(".")[0] + "." for name in found}
        raise InputError(f"no tensor's name begins with '{prefix}': {nearest(prefix, heads)}")
    return {
        name.removeprefix(prefix): array
        for name, array in found.items()
        if name.startswith(prefix) and not name.endswith(COUNTER)
    }


def pairs(variables: Variables, naming: str) -> list[tuple[Any, Any]]:
    """Every array with its `Leaf`."""
    leaves = torch_leaves(variables, naming)
    return [
        (leaves[jax.tree_util.keystr(path, simple=True, separator="/")], array)
        for path, array in jax.tree_util.tree_leaves_with_path(variables)
    ]


def check(shapes: Mapping[str, tuple[int, ...]], theirs: StateDict, left: set[str]) -> None:
    """Raises InputError where `theirs` lacks a name of `shapes`, has one more in `left`, or another shape."""
    missing, unexpected = sorted(shapes.keys() - theirs.keys()), sorted(left - shapes.keys())
    other = [
        f"{name} is {theirs[name].shape}, not {shape}"
        for name, shape in sorted(shapes.items())
        if name in theirs and theirs[name].shape != shape
    ]
    faults = []
    if missing:
        hints = [name + hint(name, unexpected) for name in missing[:LISTED]]
        faults.append(f"{len(missing)} missing: {some(hints, len(missing))}")
    if unexpected:
        faults.append(f"{len(unexpected)} too many: {some(unexpected, len(unexpected))}")
    if other:
        faults.append(f"{len(other)} of another shape: {some(other, len(other))}")
    if faults:
        raise InputError(
            f"the state dict does not fit the network; of {len(shapes)} tensors {'; '.join(faults)}."
        )


LISTED = 4
"""Names that an error mentions of each kind."""


def hint(name: str, names: list[str]) -> str:
    """The most similar of `names`, in brackets."""
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.0)
    return f" (nearest: {close[0]})" if close else ""


def some(names: list[str], count: int) -> str:
    return ", ".join(names[:LISTED]) + (", ..." if count > LISTED else "")


def check_computed(fixed: Mapping[str, np.ndarray], theirs: StateDict) -> None:
    """Raises InputError where a stored array is not what our network computes instead (to 1e-4)."""
    for name, ours in fixed.items():
        if name in theirs and np.abs(theirs[name] - ours).max() > 1e-4:
            raise InputError(
                f"{name} of the state dict is not what this network computes; it has no parameter for it."
            )
