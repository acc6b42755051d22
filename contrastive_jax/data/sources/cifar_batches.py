"""`cifar_batches:/dir`: CIFAR-10 or CIFAR-100 in the official Python batches, unpacked.

`/dir` is `cifar-10-batches-py` or `cifar-100-python` itself, or a folder that contains one of them. The batches are
pickles, which can run code, so they are read by an unpickler that allows only NumPy arrays. A. Krizhevsky, "Learning
Multiple Layers of Features from Tiny Images", 2009.
"""

import dataclasses
import pathlib
import pickle

import numpy as np
from jaxtyping import UInt8

from contrastive_jax.data.dataset import Dataset, int32_labels
from contrastive_jax.data.split import parse_split
from contrastive_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Layout:
    """The content of an official archive."""

    name: str
    folder: str
    files: dict[str, tuple[str, ...]]
    label_key: str
    num_classes: int


LAYOUTS = (
    Layout(
        name="cifar10",
        folder="cifar-10-batches-py",
        files={"train": tuple(f"data_batch_{i}" for i in range(1, 6)), "test": ("test_batch",)},
        label_key="labels",
        num_classes=10,
    ),
    Layout(
        name="cifar100",
        folder="cifar-100-python",
        files={"train": ("train",), "test": ("test",)},
        label_key="fine_labels",
        num_classes=100,
    ),
)


def load(location: str, split: str, data_dir: str) -> Dataset:
    """`location` may be empty if `data_dir` is the folder. Images are [n, 32, 32, 3]."""
    part = parse_split(split)
    folder, layout = _find(pathlib.Path(data_dir, location).expanduser())
    batches = [_read_batch(folder / file, layout.label_key) for file in layout.files[part.name]]
    images = np.concatenate([images for images, _ in batches])
    labels = int32_labels(np.concatenate([labels for _, labels in batches]), layout.name)
    return Dataset(images, labels, layout.num_classes, layout.name).subset(part.rows(len(labels)))


def _find(path: pathlib.Path) -> tuple[pathlib.Path, Layout]:
    """The folder that `path` is or contains, recognised by its files."""
    found = [
        (folder, layout)
        for layout in LAYOUTS
        for folder in (path, path / layout.folder)
        if all((folder / file).is_file() for files in layout.files.values() for file in files)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(f"{path} contains more than one data set; name one: cifar_batches:{found[0][0]}.")
    raise InputError(
        f"{path} neither is nor contains {' or '.join(layout.folder for layout in LAYOUTS)} with its batches; "
        "unpack cifar-10-python.tar.gz or cifar-100-python.tar.gz there."
    )


def _read_batch(path: pathlib.Path, label_key: str) -> tuple[UInt8[np.ndarray, "n 32 32 3"], np.ndarray]:
    with path.open("rb") as file:
        try:
            batch = _ArraysOnly(file, encoding="bytes").load()
        except Exception as error:  # a damaged pickle can raise nearly anything
            raise InputError(
                f"{path} is not an official CIFAR Python batch ({error}); unpack the archive again."
            ) from None
    # The official files were written by Python 2, so their keys are bytes.
    batch = (
        {k.decode() if isinstance(k, bytes) else k: v for k, v in batch.items()}
        if isinstance(batch, dict)
        else {}
    )
    data, labels = batch.get("data"), batch.get(label_key)
    if not isinstance(data, np.ndarray) or labels is None:
        raise InputError(
            f"{path} has no array 'data' with '{label_key}', as an official CIFAR Python batch has; unpack the archive "
            "again."
        )
    if data.dtype != np.uint8 or data.shape != (len(labels), 3 * 32 * 32):
        raise InputError(
            f"'data' of {path} is {data.dtype} of shape {data.shape}; "
            f"expected uint8 of shape ({len(labels)}, 3072)."
        )
    # A row is the red plane, then green, then blue, each in row-major order.
    return np.ascontiguousarray(data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)), np.asarray(labels)


class _ArraysOnly(pickle.Unpickler):
    """Rejects every global except those that NumPy arrays need, under the names of any NumPy version."""

    ALLOWED = {
        ("multiarray", "_reconstruct"),
        ("numeric", "_frombuffer"),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
    }

    def find_class(self, module_name: str, global_name: str):
        package, _, module = module_name.rpartition(".")
        if package in ("", "numpy.core", "numpy._core") and (module, global_name) in self.ALLOWED:
            path = f"numpy._core.{module}" if package else "numpy"
            return super().find_class(path, global_name)
        if (module_name, global_name) == ("_codecs", "encode"):  # Python 3 writes bytes this way for Python 2
            return super().find_class(module_name, global_name)
        raise pickle.UnpicklingError(f"it asks for {module_name}.{global_name}")
