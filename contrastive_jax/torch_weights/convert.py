"""Conversion between a network's variables and a PyTorch state dict, `{name: array}`.

Reading ignores what does not concern the weights: the prefixes `module.` (DataParallel, anywhere in a name) and
`_orig_mod.` (compiled modules), and the batch counters of BatchNorm. Converting to PyTorch and back changes no bit.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import numpy as np

from contrastive_jax.errors import InputError, nearest
from contrastive_jax.torch_weights.names import leaf_path, torch_leaves, torch_shapes, with_leaves

Variables = dict[str, Any]
"""A network's `params`, `batch_stats`, ..., as Linen's `init` returns them."""
StateDict = dict[str, np.ndarray]
COUNTER = "num_batches_tracked"
"""BatchNorm's counter of batches. PyTorch expects it; nothing here needs it."""
LISTED = 4
"""Number of names that an error lists per kind of mismatch."""


def from_torch(
    like: Variables,
    tensors: Mapping[str, np.ndarray],
    naming: str,
    *,
    prefix: str = "",
    without: Iterable[str] = (),
    computed: Mapping[str, np.ndarray] | None = None,
) -> Variables:
    """A network's variables, filled from a state dict.

    Args:
        like: The variables to fill: arrays, or their shapes and types.
        tensors: The state dict.
        naming: A table of `torch_weights.names`, e.g. `selfcon_resnet`.
        prefix: Use only tensors whose names begin with it, and remove it: `student.` selects one of several networks.
        without: Ignore names that begin so, because our network has no place for them: `("fc.",)`.
        computed: Arrays that the state dict stores and our network computes. The two have to agree.

    Raises:
        InputError: Names are missing or left over, shapes differ, or a stored array is not the computed one. The
            message lists all of them.
    """
    theirs = clean(tensors, prefix)
    fixed = dict(computed or {})
    given = {name for name in theirs if not name.startswith(tuple(without))}
    expected = torch_shapes(like, naming) | {name: a.shape for name, a in fixed.items() if name in theirs}
    check(expected, theirs, given)
    check_computed(fixed, theirs)
    leaves = torch_leaves(like, naming)

    def fill(path, array):
        leaf = leaves[leaf_path(path)]
        return np.ascontiguousarray(leaf.ours(theirs[leaf.name])).astype(array.dtype)

    return jax.tree_util.tree_map_with_path(fill, like)


def to_torch(
    variables: Variables,
    naming: str,
    *,
    prefix: str = "",
    computed: Mapping[str, np.ndarray] | None = None,
) -> StateDict:
    """A network's state dict, with BatchNorm's counters at 0.

    Args:
        variables: The network's variables.
        naming: A table of `torch_weights.names`, e.g. `selfcon_resnet`.
        prefix: Put before every name.
        computed: Arrays to add that PyTorch stores and our network computes.
    """
    tensors = {
        leaf.name: np.ascontiguousarray(leaf.theirs(np.asarray(array)))
        for leaf, array in with_leaves(variables, naming)
    }
    tensors |= computed or {}
    for name in list(tensors):
        if name.endswith("running_mean"):
            tensors[name.removesuffix("running_mean") + COUNTER] = np.zeros((), np.int64)
    return {prefix + name: tensors[name] for name in sorted(tensors)}


def clean(tensors: Mapping[str, np.ndarray], prefix: str = "") -> StateDict:
    """The tensors whose names begin with `prefix`, without prefix, wrappers and counters."""
    found = {re.sub(r"(^|\.)(?:module\.|_orig_mod\.)+", r"\1", name): a for name, a in tensors.items()}
    if not any(name.startswith(prefix) for name in found):
        starts = {name.partition(".")[0] + "." for name in found}
        raise InputError(f"no tensor's name begins with '{prefix}': {nearest(prefix, starts)}")
    return {
        name.removeprefix(prefix): array
        for name, array in found.items()
        if name.startswith(prefix) and not name.endswith(COUNTER)
    }


def check(expected: Mapping[str, tuple[int, ...]], theirs: StateDict, given: set[str]) -> None:
    """Raises `InputError` unless the names in `given` are those of `expected`, and all shapes agree."""
    missing, unexpected = sorted(expected.keys() - theirs.keys()), sorted(given - expected.keys())
    different = [
        f"{name} is {theirs[name].shape} instead of {shape}"
        for name, shape in sorted(expected.items())
        if name in theirs and theirs[name].shape != shape
    ]
    faults = []
    if missing:
        hints = [name + hint(name, unexpected) for name in missing[:LISTED]]
        faults.append(f"{len(missing)} missing: {listed(hints, len(missing))}")
    if unexpected:
        faults.append(f"{len(unexpected)} unexpected: {listed(unexpected, len(unexpected))}")
    if different:
        faults.append(f"{len(different)} with another shape: {listed(different, len(different))}")
    if faults:
        raise InputError(
            f"the state dict does not fit the network of {len(expected)} tensors ({'; '.join(faults)}): check the"
            " naming, the prefix and the network's fields."
        )


def hint(name: str, names: list[str]) -> str:
    """The most similar of `names`, in brackets."""
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.0)
    return f" (nearest: {close[0]})" if close else ""


def listed(names: list[str], count: int) -> str:
    """The first of `names`, with an ellipsis if there are more than an error lists."""
    return ", ".join(names[:LISTED]) + (", ..." if count > LISTED else "")


def check_computed(fixed: Mapping[str, np.ndarray], theirs: StateDict) -> None:
    """Raises `InputError` if a stored array differs from what our network computes by more than 1e-4."""
    for name, ours in fixed.items():
        if name in theirs and np.abs(theirs[name] - ours).max() > 1e-4:
            raise InputError(
                f"{name} in the state dict is not what this network computes: choose a network in which it is a"
                " parameter."
            )
