"""Where images come from: one file per source, found by its file name.

A data set is named by one string, `scheme` or `scheme:location`: `digits`, `tfds:cifar10`,
`folder:/my/pictures`. The scheme is the name of a file in this folder that defines

    load(location: str, split: str, data_dir: str) -> Dataset | EncodedImages

so a new source is a new file and nothing else. A source is imported only when it is asked for. It returns
`EncodedImages` where images vary in size or are too many to be decoded before anyone asks for them.
"""

import importlib
import pkgutil

from contrastive_jax.data.dataset import Dataset
from contrastive_jax.data.encoded import EncodedImages, ImageSet
from contrastive_jax.errors import InputError, nearest


def load(name: str, split: str, data_dir: str = "", image_size: int = 0) -> Dataset:
    """Loads one split into memory, decoded; the arguments are those of `open_split`."""
    return open_split(name, split, data_dir, image_size).in_memory()


def open_split(name: str, split: str, data_dir: str = "", image_size: int = 0) -> ImageSet:
    """One split, in memory where its source keeps it there, else encoded.

    Args:
      name: `scheme` or `scheme:location`; what a location is, is said by the source's docstring.
      split: `train`, `test`, or a range of one: `train[:90%]`, `train[100:200]`.
      data_dir: where prepared or unpacked data sets lie; "" is the source's own default.
      image_size: height and width that pictures are decoded to; 0 is their own size where they have one of
        at most 256 pixels, else 224. Arrays keep the size they have.

    Raises:
      InputError: unknown scheme or split, missing data, or data that cannot be trained on.
    """
    scheme, _, location = name.partition(":")
    if scheme not in schemes():
        raise InputError(f"there is no data source '{scheme}'; {nearest(scheme, schemes())}")
    if image_size < 0:
        raise InputError(f"image_size is {image_size}; give pixels, or 0 for the images' own size.")
    source = importlib.import_module(f"{__name__}.{scheme}")
    images = source.load(location, split, data_dir)
    if not image_size or images.image_shape[:2] == (image_size, image_size):
        return images
    if isinstance(images, EncodedImages):
        return images.resized(image_size)
    height, width, _ = images.image_shape
    raise InputError(
        f"images of '{images.name}' are arrays of {height}x{width} and are not resized to {image_size}; "
        "leave image_size at 0, and choose the size of the views by augment.size."
    )


def schemes() -> list[str]:
    """The names of the sources: the modules of this folder."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name[0] != "_")


def refuse_location(scheme: str, location: str) -> None:
    """For sources that are one fixed data set: `digits:anything` is a mistake worth a sentence."""
    if location:
        raise InputError(f"'{scheme}' takes no location; write '{scheme}' instead of '{scheme}:{location}'.")
