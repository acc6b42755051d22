"""Where images come from: one file per source, found by its file name.

A data set is named by one string, `scheme` or `scheme:location`: `digits`, `tfds:cifar10`,
`npz:/my/file.npz`. The scheme is the name of a file in this folder that defines

    load(location: str, split: str, data_dir: str) -> Dataset

so a new source is a new file and nothing else. A source is imported only when it is asked for.
"""

import importlib
import pkgutil

from contrastive_jax.data.dataset import Dataset
from contrastive_jax.errors import InputError, nearest


def load(name: str, split: str, data_dir: str = "") -> Dataset:
    """Loads one split into memory.

    Args:
      name: `scheme` or `scheme:location`; what a location is, is said by the source's docstring.
      split: `train`, `test`, or a range of one: `train[:90%]`, `train[100:200]`.
      data_dir: where prepared or unpacked data sets lie; "" is the source's own default.

    Raises:
      InputError: unknown scheme or split, missing data, or data that cannot be trained on.
    """
    scheme, _, location = name.partition(":")
    if scheme not in schemes():
        raise InputError(f"there is no data source '{scheme}'; {nearest(scheme, schemes())}")
    source = importlib.import_module(f"{__name__}.{scheme}")
    return source.load(location, split, data_dir)


def schemes() -> list[str]:
    """The names of the sources: the modules of this folder."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name[0] != "_")


def refuse_location(scheme: str, location: str) -> None:
    """For sources that are one fixed data set: `digits:anything` is a mistake worth a sentence."""
    if location:
        raise InputError(f"'{scheme}' takes no location; write '{scheme}' instead of '{scheme}:{location}'.")
