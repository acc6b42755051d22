"""The PyTorch names of our parameters, and the layout of each array there.

One file per codebase and network family, `<codebase>_<family>.py`, is a table of names and found by its file name. It
defines `names(paths) -> {path: torch name}` for the paths of all leaves of a network (`encoder/stem/conv/kernel`,
without the collection). Some tables also define `computed(encoder, height, width) -> {torch name: array}`: arrays that
a PyTorch state dict stores and our network computes.

Layouts need no table. The number of dimensions of an array determines the transposition to PyTorch's layout.
"""

import importlib
import pkgutil
from types import ModuleType
from typing import Any, NamedTuple

import jax
import numpy as np

from contrastive_jax.errors import InputError, nearest

AXES = {4: (3, 2, 0, 1), 2: (1, 0)}
"""By number of dimensions: convolutions HWIO -> OIHW, matrices transposed. Other arrays keep their layout."""


class Leaf(NamedTuple):
    """The place of one of our arrays in a PyTorch state dict."""

    name: str
    axes: tuple[int, ...]
    """PyTorch's array is ours with its axes in this order."""

    def theirs(self, ours: np.ndarray) -> np.ndarray:
        return np.transpose(ours, self.axes)

    def ours(self, theirs: np.ndarray) -> np.ndarray:
        return np.transpose(theirs, np.argsort(self.axes))

    def shape(self, ours: tuple[int, ...]) -> tuple[int, ...]:
        """PyTorch's shape for an array of ours with this shape."""
        return tuple(ours[axis] for axis in self.axes)


def torch_shapes(variables: dict[str, Any], naming: str) -> dict[str, tuple[int, ...]]:
    """`{torch name: torch shape}` of a network's variables: arrays, or their shapes (`jax.eval_shape`)."""
    return {leaf.name: leaf.shape(array.shape) for leaf, array in with_leaves(variables, naming)}


def with_leaves(variables: dict[str, Any], naming: str) -> list[tuple[Leaf, Any]]:
    """Every array of a network with its `Leaf`."""
    leaves = torch_leaves(variables, naming)
    return [
        (leaves[leaf_path(path)], array) for path, array in jax.tree_util.tree_leaves_with_path(variables)
    ]


def torch_leaves(variables: dict[str, Any], naming: str) -> dict[str, Leaf]:
    """`{our path with its collection: Leaf}` for all variables of a network.

    Args:
        variables: Arrays, or their shapes.
        naming: A file of this package, e.g. `selfcon_resnet`.

    Raises:
        InputError: There is no such table, or two arrays would have the same name.
    """
    arrays = {leaf_path(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(variables)}
    inner = {path: path.partition("/")[2] for path in arrays}
    named = table(naming).names(sorted(inner.values()))
    leaves = {
        path: Leaf(named[inner[path]], AXES.get(np.ndim(array), tuple(range(np.ndim(array)))))
        for path, array in arrays.items()
    }
    if len({leaf.name for leaf in leaves.values()}) < len(leaves):
        raise InputError(
            f"the naming '{naming}' gives two arrays of this network the same name: choose the naming of its family."
        )
    return leaves


def leaf_path(path: tuple[Any, ...]) -> str:
    """`params/encoder/stem/conv/kernel` for a key path of `jax.tree_util`."""
    return jax.tree_util.keystr(path, simple=True, separator="/")


def table(naming: str) -> ModuleType:
    """The table in the file `<naming>.py`."""
    if naming not in tables():
        raise InputError(f"there is no table of names '{naming}': {nearest(naming, tables())}")
    return importlib.import_module(f"{__name__}.{naming}")


def tables() -> list[str]:
    """All tables by name."""
    return [module.name for module in pkgutil.iter_modules(__path__)]
