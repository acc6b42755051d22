"""The idx files of MNIST and similar sets."""

import gzip
import pathlib
import struct

import numpy as np
import pytest

from contrastive_jax.data import sources
from contrastive_jax.errors import InputError

SHARED = pathlib.Path(__file__).parents[3] / "shared" / "data" / "mnist"


def idx(array):
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write(folder, gz=False, dot="-"):
    rng = np.random.default_rng(0)
    arrays = {}
    for prefix, n in (("train", 6), ("t10k", 4)):
        arrays[prefix] = rng.integers(0, 256, (n, 5, 4), np.uint8), np.arange(n, dtype=np.uint8)
        for kind, array in zip(("images", "labels"), arrays[prefix]):
            name = f"{prefix}-{kind}{dot}idx{array.ndim}-ubyte"
            (folder / (name + ".gz" * gz)).write_bytes(gzip.compress(idx(array)) if gz else idx(array))
    return arrays


@pytest.mark.parametrize(("gz", "dot"), [(False, "-"), (True, "-"), (False, ".")])
def test_both_splits_and_ranges(tmp_path, gz, dot):
    arrays = write(tmp_path, gz, dot)
    for split, prefix in (("train", "train"), ("test", "t10k")):
        images, labels = arrays[prefix]
        got = sources.load(f"mnist:{tmp_path}", f"{split}[1:3]")
        np.testing.assert_array_equal(got.images[..., 0], images[1:3])
        np.testing.assert_array_equal(got.labels, labels[1:3])
        assert got.num_classes == 6  # of the training set


def test_missing_and_damaged(tmp_path):
    with pytest.raises(InputError, match="there is no train-images-idx3-ubyte .or .gz. in"):
        sources.load(f"mnist:{tmp_path}", "train")
    write(tmp_path)
    file = tmp_path / "train-images-idx3-ubyte"
    whole = file.read_bytes()
    for content in (whole[:-1], whole[:3], whole + b"x", b"\0\0\x0d" + whole[3:]):
        file.write_bytes(content)
        with pytest.raises(InputError, match="is not a complete idx file of bytes with 3 dimensions"):
            sources.load(f"mnist:{tmp_path}", "train")
    file.unlink()
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(whole)[:40])
    with pytest.raises(InputError, match="damaged"):
        sources.load(f"mnist:{tmp_path}", "train")


def test_the_real_files():
    if not SHARED.is_dir():
        pytest.skip("MNIST's files are not available")
    train, test = (sources.load(f"mnist:{SHARED}", split) for split in ("train", "test"))
    assert (train.images.shape, test.images.shape, train.num_classes) == (
        (60_000, 28, 28, 1),
        (10_000, 28, 28, 1),
        10,
    )
    assert train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert round(train.images.mean() / 255, 4) == 0.1307  # the usual mean for normalising MNIST
