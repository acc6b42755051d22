"""Our parameter names in the words of PyTorch networks, and the layout of every array there.

One file per naming and network family, `<naming>_<family>.py`, found by that name. It has one function,
`names(paths) -> {path: torch name}`, for the paths of all leaves of a network (`encoder/stem/conv/kernel`, without
the collection). Some also have `computed(encoder, height, width) -> {torch name: array}`: what a PyTorch state
dict holds and our network computes.

Layouts need no table: every array is stored so that a transposition, which depends on the number of its
dimensions alone, makes it PyTorch's.
"""

import importlib
import pkgutil
from types import ModuleType
from typing import Any, NamedTuple

import jax
import numpy as np

from contrastive_jax.errors import InputError, nearest

AXES = {4: (3, 2, 0, 1), 2: (1, 0)}
"""Convolutions HWIO -> OIHW, matrices transposed, all else as it is."""


class Leaf(NamedTuple):
    """One of our arrays in a PyTorch state dict."""

    name: str
    axes: tuple[int, ...]
    """Their array is ours with its axes in this order."""

    def theirs(self, ours: np.ndarray) -> np.ndarray:
        return np.transpose(ours, self.axes)

    def ours(self, theirs: np.ndarray) -> np.ndarray:
        return np.transpose(theirs, np.argsort(self.axes))


def torch_leaves(variables: dict[str, Any], naming: str) -> dict[str, Leaf]:
    """`{path of ours with its collection: Leaf}` for all variables of a network.

    naming: a file of this package, e.g. `selfcon_resnet`. Raises `InputError` where there is none, or where two
    leaves would have one name.
    """
    arrays = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(variables):
        arrays[jax.tree_util.keystr(path, simple=True, separator="/")] = leaf
    inner = {path: path.partition("/")[2] for path in arrays}
    named = table(naming).names(sorted(inner.values()))
    leaves = {
        path: Leaf(named[inner[path]], AXES.get(np.ndim(array), tuple(range(np.ndim(array)))))
        for path, array in arrays.items()
    }
    if len({leaf.name for leaf in leaves.values()}) < len(leaves):
        raise InputError(f"the naming '{naming}' does not fit this network: two of its arrays get one name.")
    return leaves


def torch_shapes(variables: dict[str, Any], naming: str) -> dict[str, tuple[int, ...]]:
    """`{torch name: torch shape}`, for arrays or their shapes (`jax.eval_shape`)."""
    leaves = torch_leaves(variables, naming)
    shapes = {}
    for path, array in jax.tree_util.tree_leaves_with_path(variables):
        leaf = leaves[jax.tree_util.keystr(path, simple=True, separator="/")]
        shapes[leaf.name] = tuple(array.shape[axis] for axis in leaf.axes)
    return shapes


def table(naming: str) -> ModuleType:
    """The file called `naming`."""
    known = [m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")]
    if naming not in known:
        raise InputError(f"no table of torch names '{naming}': {nearest(naming, known)}")
    return importlib.import_module(f"{__name__}.{naming}")
