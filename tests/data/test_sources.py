"""Every source of images: what it returns, and its errors for bad input."""

import hashlib
import pathlib
import pickle

import numpy as np
import pytest

from contrastive_jax.data import sources
from contrastive_jax.data.embedded import make
from contrastive_jax.data.sources.fashion_mnist_10k import FILE
from contrastive_jax.errors import InputError


def images_and_labels(n, shape=(4, 4, 3), num_classes=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, *shape), np.uint8), rng.integers(0, num_classes, n).astype(np.int32)


class TestByName:
    def test_every_file_of_the_folder_is_a_source(self):
        ours = {
            "array_record",
            "cifar_batches",
            "digits",
            "fashion_mnist_10k",
            "folder",
            "mnist",
            "npz",
            "tfds",
        }
        assert ours <= set(sources.schemes())
        assert not any(name.startswith("_") for name in sources.schemes())

    def test_unknown_scheme_names_the_nearest(self):
        with pytest.raises(InputError, match="no data source 'cifar_batch'; did you mean 'cifar_batches'"):
            sources.load("cifar_batch:/x", "train")

    @pytest.mark.parametrize("name", ["digits", "fashion_mnist_10k"])
    def test_a_fixed_set_takes_no_location(self, name):
        with pytest.raises(InputError, match=f"write '{name}' instead of '{name}:/x'"):
            sources.load(f"{name}:/x", "train")

    def test_ranges_partition_the_split(self):
        whole, low, high = (sources.load("digits", f"train{part}") for part in ("", "[:90%]", "[90%:]"))
        np.testing.assert_array_equal(np.concatenate([low.images, high.images]), whole.images)
        np.testing.assert_array_equal(np.concatenate([low.labels, high.labels]), whole.labels)


def test_every_digit_is_there_once():
    from sklearn.datasets import load_digits

    train, test = sources.load("digits", "train"), sources.load("digits", "test")
    assert (train.images.shape, test.images.shape) == ((1437, 8, 8, 1), (360, 8, 8, 1))
    assert set(test.labels) == set(range(10))
    ours = np.concatenate([train.images, test.images]).reshape(-1, 64)
    original = np.round(load_digits().data * 255 / 16).astype(np.uint8)
    np.testing.assert_array_equal(np.sort(ours.view("S64"), axis=0), np.sort(original.view("S64"), axis=0))


class TestFashionMnist10k:
    SHA256 = {
        "train_images": "cae65dc73331b4708af53b003c77b50517af4a624bb3132d2329482111c15b38",
        "train_labels": "5f9ed429cb745554abfb21778889a4c5f14325bd9620b1239a53f5e8cdc947eb",
        "train_index": "d1a637dbaf374c44e7d879b20e294df07141080d2fb36ea180f1990473b34e1c",
        "test_images": "ec8d75e40ddb6e5111faa91e98f9d7ba699a753d7de6fadcc234f432ba81c7b0",
        "test_labels": "b8c42a3835e2c58186f41b9095213dd0e8096e839eaaa3e3f97475c469365ffd",
        "test_index": "1219f5325db7a3785f30a5b30014c6ce3c29a17c2657f9a6c22a6aeb0dcdd311",
    }

    def test_the_file_is_the_one_that_was_made(self):
        with np.load(FILE) as arrays:
            found = {key: hashlib.sha256(arrays[key].tobytes()).hexdigest() for key in arrays.files}
        assert found == self.SHA256
        assert FILE.stat().st_size < 6_000_000
        assert "Copyright (c) 2017 Zalando SE" in FILE.with_name("LICENSE.fashion-mnist").read_text()

    @pytest.mark.parametrize(("split", "n"), [("train", 10_000), ("test", 2_000)])
    def test_balanced_grayscale(self, split, n):
        dataset = sources.load("fashion_mnist_10k", split)
        assert dataset.images.shape == (n, 28, 28, 1)
        assert dataset.num_classes == 10
        np.testing.assert_array_equal(np.bincount(dataset.labels), n // 10)

    def test_made_from_the_official_train_and_test_files(self):
        originals = pathlib.Path("/usr/share/datasets/fashion-mnist")
        if not originals.is_dir():
            pytest.skip("the original files (Debian's dataset-fashion-mnist) are not installed")
        made = make.make_arrays(originals)
        with np.load(FILE) as arrays:
            assert set(made) == set(arrays.files)
            for key, array in made.items():
                np.testing.assert_array_equal(array, arrays[key])
                assert array.dtype == arrays[key].dtype


class TestNpz:
    def test_train_and_test(self, tmp_path):
        (train, y_train), (test, _) = images_and_labels(8), images_and_labels(4, seed=1)
        file = tmp_path / "a.npz"
        np.savez(
            file,
            train_images=train,
            train_labels=y_train,
            test_images=test,
            test_labels=np.uint8([0, 1, 4, 0]),
        )
        got = sources.load(f"npz:{file}", "train[2:5]")
        np.testing.assert_array_equal(got.images, train[2:5])
        np.testing.assert_array_equal(got.labels, y_train[2:5])
        assert got.num_classes == 5  # of the whole file, so train and test agree
        assert sources.load("npz:a.npz", "test", data_dir=str(tmp_path)).num_classes == 5

    def test_grayscale_without_a_channel_axis(self, tmp_path):
        np.savez(tmp_path / "a.npz", images=np.zeros((3, 5, 6), np.uint8), labels=[0, 1, 0], num_classes=7)
        got = sources.load(f"npz:{tmp_path}/a.npz", "train")
        assert got.images.shape == (3, 5, 6, 1)
        assert got.num_classes == 7

    @pytest.mark.parametrize(
        ("arrays", "split", "sentence"),
        [
            ({"x": np.zeros(3)}, "train", "contains x; store train_images"),
            ({"images": np.zeros((2, 4, 4), np.uint8), "labels": [0, 1]}, "test", "no split 'test'"),
            ({"images": np.zeros((2, 4, 4)), "labels": [0, 1]}, "train", "float64; store them as a uint8"),
            ({"images": np.zeros((2, 4, 4), np.uint8), "labels": [0, -1]}, "train", "range from -1 to 0"),
            ({"images": np.zeros((2, 4, 4), np.uint8), "labels": [0, 1, 1]}, "train", "one per image"),
            ({"images": np.array([b"a", None], object), "labels": [0, 1]}, "train", "cannot be read"),
        ],
    )
    def test_refuses(self, tmp_path, arrays, split, sentence):
        np.savez(tmp_path / "a.npz", **arrays)
        with pytest.raises(InputError, match=sentence):
            sources.load(f"npz:{tmp_path}/a.npz", split)

    def test_missing_foreign_and_damaged_files(self, tmp_path):
        with pytest.raises(InputError, match="there is no file"):
            sources.load(f"npz:{tmp_path}/none.npz", "train")
        (tmp_path / "text.npz").write_text("hello")
        with pytest.raises(InputError, match="not an npz archive"):
            sources.load(f"npz:{tmp_path}/text.npz", "train")
        images, labels = images_and_labels(50)
        np.savez_compressed(tmp_path / "a.npz", images=images, labels=labels)
        content = bytearray((tmp_path / "a.npz").read_bytes())
        content[500:600] = bytes(100)
        (tmp_path / "a.npz").write_bytes(content)
        with pytest.raises(InputError, match="damaged"):
            sources.load(f"npz:{tmp_path}/a.npz", "train")


class TestCifarBatches:
    """The official format: one row per image with the red, green and blue planes in sequence; keys are bytes."""

    @staticmethod
    def write(folder, per_file=4):
        planes, labels = {}, {}
        folder.mkdir(parents=True)
        for seed, file in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
            planes[file], labels[file] = images_and_labels(per_file, (3, 32, 32), 10, seed)
            batch = {b"data": planes[file].reshape(per_file, -1), b"labels": labels[file].tolist()}
            (folder / file).write_bytes(pickle.dumps(batch, protocol=2))
        return planes, labels

    def test_cifar10_in_order(self, tmp_path):
        planes, labels = self.write(tmp_path / "cifar-10-batches-py")
        for location in (tmp_path, tmp_path / "cifar-10-batches-py"):
            train = sources.load(f"cifar_batches:{location}", "train")
        assert (train.images.shape, train.num_classes, train.name) == ((20, 32, 32, 3), 10, "cifar10")
        np.testing.assert_array_equal(train.images[9, :, :, 2], planes["data_batch_3"][1, 2])
        np.testing.assert_array_equal(train.labels[4:8], labels["data_batch_2"])
        test = sources.load("cifar_batches", "test[1:3]", data_dir=str(tmp_path))
        np.testing.assert_array_equal(test.images, planes["test_batch"][1:3].transpose(0, 2, 3, 1))

    def test_cifar100_has_fine_labels(self, tmp_path):
        for file in ("train", "test"):
            batch = {"data": np.zeros((2, 3072), np.uint8), "fine_labels": [99, 3], "coarse_labels": [19, 0]}
            (tmp_path / file).write_bytes(pickle.dumps(batch, protocol=4))
        got = sources.load(f"cifar_batches:{tmp_path}", "test")
        assert (got.num_classes, got.labels.tolist(), got.name) == (100, [99, 3], "cifar100")

    def test_a_pickle_that_runs_code_is_refused(self, tmp_path):
        class Harmful:
            def __reduce__(self):
                return (open, (str(tmp_path / "made_by_the_pickle"), "w"))

        self.write(tmp_path / "d")
        (tmp_path / "d" / "test_batch").write_bytes(pickle.dumps({b"data": Harmful()}, protocol=2))
        with pytest.raises(InputError, match="it asks for .*open"):
            sources.load(f"cifar_batches:{tmp_path}/d", "test")
        assert not (tmp_path / "made_by_the_pickle").exists()

    @pytest.mark.parametrize(
        ("batch", "sentence"),
        [
            ({b"data": np.zeros((2, 3072), np.uint8)}, "has no array 'data' with 'labels'"),
            (
                {b"data": np.zeros((2, 3000), np.uint8), b"labels": [0, 1]},
                r"expected uint8 of shape \(2, 3072\)",
            ),
            ({b"data": np.zeros((2, 3072)), b"labels": [0, 1]}, "is float64"),
            (
                {b"data": np.zeros((2, 3072), np.uint8), b"labels": [0, 10]},
                "range from 0 to 10, outside 0 to 9",
            ),
            ({b"data": [1, 2], b"labels": [0, 1]}, "has no array"),
            ([1, 2], "has no array"),
        ],
    )
    def test_refuses_malformed_batches(self, tmp_path, batch, sentence):
        self.write(tmp_path / "d")
        (tmp_path / "d" / "test_batch").write_bytes(pickle.dumps(batch, protocol=2))
        with pytest.raises(InputError, match=sentence):
            sources.load(f"cifar_batches:{tmp_path}/d", "test")

    def test_missing_truncated_and_ambiguous(self, tmp_path):
        with pytest.raises(
            InputError, match="neither is nor contains cifar-10-batches-py or cifar-100-python"
        ):
            sources.load(f"cifar_batches:{tmp_path}", "train")
        self.write(tmp_path / "cifar-10-batches-py")
        file = tmp_path / "cifar-10-batches-py" / "test_batch"
        file.write_bytes(file.read_bytes()[:2000])
        with pytest.raises(InputError, match="is not an official CIFAR Python batch"):
            sources.load(f"cifar_batches:{tmp_path}", "test")
        for name in ("train", "test"):
            (tmp_path / "cifar-100-python").mkdir(exist_ok=True)
            (tmp_path / "cifar-100-python" / name).touch()
        with pytest.raises(InputError, match="more than one data set; name one"):
            sources.load(f"cifar_batches:{tmp_path}", "train")
