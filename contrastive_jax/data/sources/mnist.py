"""`mnist:/dir`: MNIST, Fashion-MNIST, KMNIST or any other set in four idx files like those of MNIST.

`/dir` contains train-images-idx3-ubyte, train-labels-idx1-ubyte and the same two files for t10k, the test set. The
names may end in .gz, and may have a dot instead of the hyphen before idx. An idx file is a big-endian header (two zero
bytes, the type, the number of dimensions, each dimension as uint32) and the raw values. Y. LeCun, C. Cortes,
C. Burges, "The MNIST database of handwritten digits", 1998.
"""

import gzip
import pathlib
import zlib

import numpy as np

from contrastive_jax.data.dataset import Dataset, int32_labels
from contrastive_jax.data.split import parse_split
from contrastive_jax.errors import InputError

PREFIXES = {"train": "train", "test": "t10k"}
UBYTE = 8  # the code of uint8 in idx files


def load(location: str, split: str, data_dir: str) -> Dataset:
    """Images are [n, height, width, 1]. The largest label of the training set determines the number of classes."""
    part = parse_split(split)
    folder = pathlib.Path(data_dir, location).expanduser()
    prefix = PREFIXES[part.name]
    images = _read(folder, f"{prefix}-images", dimensions=3)[..., None]
    labels = int32_labels(_read(folder, f"{prefix}-labels", dimensions=1), f"mnist:{location}")
    classes = 1 + int(_read(folder, f"{PREFIXES['train']}-labels", dimensions=1).max(initial=0))
    whole = Dataset(images, labels, classes, f"mnist:{location}")
    return whole.subset(part.rows(len(whole)))


def _read(folder: pathlib.Path, stem: str, dimensions: int) -> np.ndarray:
    """The uint8 array of one idx file."""
    names = [f"{stem}{dot}idx{dimensions}-ubyte" for dot in ("-", ".")]
    found = [
        folder / (name + end) for name in names for end in ("", ".gz") if (folder / (name + end)).is_file()
    ]
    if not found:
        raise InputError(f"there is no {names[0]} (or .gz) in {folder}; put the four idx files there.")
    path = found[0]
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} is damaged ({error}); download it again.") from None
    header = 4 + 4 * dimensions
    shape = np.frombuffer(content[4:header], ">u4") if len(content) >= header else np.zeros(0, int)
    if content[:4] != bytes((0, 0, UBYTE, dimensions)) or len(content) != header + int(np.prod(shape)):
        raise InputError(
            f"{path} is not a complete idx file of bytes with {dimensions} dimensions; download it again."
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
