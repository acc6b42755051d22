"""`npz:/file.npz`: your own arrays in one file written by `numpy.savez`.

The file contains train_images and train_labels, test_images and test_labels, or both pairs; or images and labels,
which are the split `train`. Images are uint8 [n, height, width] or [n, height, width, channels]; labels are integers
from 0. The number of classes is `num_classes` of the file, or else its largest label plus one.
"""

import pathlib
import zipfile
import zlib

import numpy as np

from contrastive_jax.data.dataset import Dataset, int32_labels
from contrastive_jax.data.split import parse_split
from contrastive_jax.errors import InputError

KEYS = {
    ("images", "labels"): "train",
    ("train_images", "train_labels"): "train",
    ("test_images", "test_labels"): "test",
}


def load(location: str, split: str, data_dir: str) -> Dataset:
    """`location` is the file; a relative path is relative to `data_dir`."""
    name = f"npz:{location}"
    with _open(pathlib.Path(data_dir, location).expanduser()) as arrays:
        pairs = {split: keys for keys, split in KEYS.items() if set(keys) <= set(arrays.files)}
        if not pairs:
            raise InputError(
                f"'{name}' contains {', '.join(arrays.files) or 'nothing'}; store train_images, train_labels, "
                "test_images and test_labels, or images and labels."
            )
        part = parse_split(split, pairs)
        images, labels = (_read(arrays, key, name) for key in pairs[part.name])
        num_classes = _num_classes(arrays, pairs.values(), name)
    images = images[..., None] if images.ndim == 3 else images
    return Dataset(images, int32_labels(labels, name), num_classes, name).subset(part.rows(len(labels)))


def _open(path: pathlib.Path) -> np.lib.npyio.NpzFile:
    if not path.is_file():
        raise InputError(f"there is no file {path}; give an existing one as npz:/path/to/file.npz.")
    try:
        arrays = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile):
        arrays = None
    if not isinstance(arrays, np.lib.npyio.NpzFile):
        raise InputError(f"{path} is not an npz archive; write it with numpy.savez.")
    return arrays


def _read(arrays: np.lib.npyio.NpzFile, key: str, name: str) -> np.ndarray:
    try:
        return np.asarray(arrays[key])
    except ValueError as error:  # an object array, which is a pickle and could run code
        raise InputError(
            f"'{key}' of '{name}' cannot be read ({error}); store images of one size as uint8."
        ) from None
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError) as error:
        raise InputError(f"'{key}' of '{name}' is damaged ({error}); write the file again.") from None


def _num_classes(arrays, pairs, name: str) -> int:
    if "num_classes" in arrays.files:
        return int(_read(arrays, "num_classes", name))
    labels = [int32_labels(_read(arrays, key, name), name) for _, key in pairs]
    return 1 + max(int(values.max(initial=-1)) for values in labels)
