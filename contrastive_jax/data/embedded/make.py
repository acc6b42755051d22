"""Makes fashion_mnist_10k.npz from the four official Fashion-MNIST files.

    python -m contrastive_jax.data.embedded.make --source=/usr/share/datasets/fashion-mnist

That is the folder of Debian's package dataset-fashion-mnist; upstream is github.com/zalandoresearch/fashion-mnist.
A fixed seed selects 1,000 images of each class from the official training file and 200 from the official test file;
the official order is kept. Besides images and labels, the npz file contains `*_index`, the position of every image in
its official file. Every run makes the same arrays, byte for byte.
"""

import gzip
import pathlib

import numpy as np
from absl import app, flags
from jaxtyping import Int64, UInt8

from contrastive_jax.data.samplers import permutation

_SOURCE = flags.DEFINE_string("source", "/usr/share/datasets/fashion-mnist", "Folder of the four .gz files.")
_OUT = flags.DEFINE_string(
    "out", str(pathlib.Path(__file__).with_name("fashion_mnist_10k.npz")), "File to write."
)

OFFICIAL_FILES = {"train": "train", "test": "t10k"}
PER_CLASS = {"train": 1000, "test": 200}
CLASSES = 10


def main(_) -> None:
    np.savez_compressed(_OUT.value, allow_pickle=False, **make_arrays(pathlib.Path(_SOURCE.value)))
    print(f"{_OUT.value}: {pathlib.Path(_OUT.value).stat().st_size:,} bytes")


def make_arrays(source: pathlib.Path) -> dict[str, np.ndarray]:
    """Images uint8 [n, 28, 28], labels uint8 [n] and index int32 [n] of the selected images, for train and test."""
    arrays: dict[str, np.ndarray] = {}
    for split, prefix in OFFICIAL_FILES.items():
        labels = _read_idx(source / f"{prefix}-labels-idx1-ubyte.gz", header=8)
        images = _read_idx(source / f"{prefix}-images-idx3-ubyte.gz", header=16).reshape(-1, 28, 28)
        index = _balanced(labels, PER_CLASS[split])
        arrays[f"{split}_images"], arrays[f"{split}_labels"] = images[index], labels[index]
        arrays[f"{split}_index"] = index.astype(np.int32)
    return arrays


def _balanced(labels: UInt8[np.ndarray, " n"], per_class: int) -> Int64[np.ndarray, " m"]:
    members = [np.flatnonzero(labels == label) for label in range(CLASSES)]
    chosen = [rows[permutation(len(rows), 0, label)[:per_class]] for label, rows in enumerate(members)]
    return np.sort(np.concatenate(chosen))


def _read_idx(path: pathlib.Path, header: int) -> UInt8[np.ndarray, " n"]:
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=header)


if __name__ == "__main__":
    app.run(main)
