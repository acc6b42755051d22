"""Where images come from: one file per source, found by its file name, or a function of the user's.

A config names a data set by one string:

    scheme               `digits`                                the file of that name in this folder
    scheme:location      `tfds:cifar10`, `folder:/my/pictures`
    module:function      `my_lab.data:load_slides`               an import path
    module:function:location

A file of this folder defines `load`, and the function of an import path has the same signature:

    load(location: str, split: str, data_dir: str) -> Dataset | EncodedImages

So a new source is a new file and nothing else, imported only when it is asked for. It returns `EncodedImages` if its
images vary in size (`varies`, and then a square `image_shape` that the config may replace) or are too many to decode in
advance.
"""

import importlib
import pkgutil
from collections.abc import Callable

from contrastive_jax.config import registry
from contrastive_jax.data.dataset import Dataset
from contrastive_jax.data.encoded import USUAL_CANVAS, EncodedImages, ImageSet
from contrastive_jax.errors import InputError, nearest


def load(
    name: str, split: str, data_dir: str = "", image_size: int = 0, canvas: int = USUAL_CANVAS
) -> Dataset:
    """Loads one split into memory, decoded. The arguments are those of `open_split`."""
    return open_split(name, split, data_dir, image_size, canvas).in_memory()


def open_split(
    name: str, split: str, data_dir: str = "", image_size: int = 0, canvas: int = USUAL_CANVAS
) -> ImageSet:
    """Opens one split, encoded if its source keeps it encoded.

    Args:
      name: `scheme`, `scheme:location`, `module:function` or `module:function:location`; the docstring of a source
        says what its location is.
      split: `train`, `test`, or a range of one: `train[:90%]`, `train[100:200]`.
      data_dir: directory of prepared or unpacked data sets; "" is the source's default.
      image_size: longest side that pictures are decoded to, with their aspect ratio; squares of one size become
        squares of this size. 0 keeps their size if all have the same size of at most 256 pixels, and means `canvas`
        otherwise. Arrays are never resized.
      canvas: longest side of pictures that vary in size, or are larger, if `image_size` is 0.

    Raises:
      InputError: unknown source or split, missing data, or data that cannot be trained on.
    """
    if image_size < 0:
        raise InputError(f"image_size is {image_size}; give pixels, or 0 for the images' own size.")
    loader, location = find_loader(name)
    images = loader(location, split, data_dir)
    if not isinstance(images, ImageSet):
        raise InputError(
            f"the data source '{name}' returned a {type(images).__name__}; it must return a"
            " contrastive_jax.data.dataset.Dataset or a contrastive_jax.data.encoded.EncodedImages."
        )
    encoded = isinstance(images, EncodedImages)
    side = image_size or (canvas if encoded and images.varies else 0)
    if not side or images.image_shape[:2] == (side, side):
        return images
    if encoded:
        return images.resized(side)
    height, width, _ = images.image_shape
    raise InputError(
        f"images of '{images.name}' are arrays of {height}x{width} and cannot be decoded to {image_size}; "
        "leave image_size at 0 and choose the size of the views with augment.size."
    )


def find_loader(name: str) -> tuple[Callable[[str, str, str], ImageSet], str]:
    """The function that loads the data set `name`, and its location."""
    scheme, _, location = name.partition(":")
    if scheme in schemes():
        return importlib.import_module(f"{__name__}.{scheme}").load, location
    attribute, _, location = location.partition(":")
    path = f"{scheme}:{attribute}"
    # A misspelt scheme looks like a module: accept it as one only if it exists or is inside a package.
    if registry.IMPORT_PATH.fullmatch(path) and ("." in scheme or registry.module_exists(scheme)):
        return registry.function(__name__, path, "data source"), location
    raise InputError(
        f"there is no data source '{scheme}'; {nearest(scheme, schemes())} A function of yours is named by its import"
        " path, module:function."
    )


def schemes() -> list[str]:
    """The names of the sources, which are the modules of this folder."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name[0] != "_")


def refuse_location(scheme: str, location: str) -> None:
    """Rejects a location, as in `digits:anything`, for a source that is one fixed data set."""
    if location:
        raise InputError(f"'{scheme}' takes no location; write '{scheme}' instead of '{scheme}:{location}'.")
