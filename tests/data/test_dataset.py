"""The image set in memory and split expressions: what they accept, and the error for everything else."""

import numpy as np
import pytest

from contrastive_jax.data.dataset import Dataset, int32_labels
from contrastive_jax.data.split import parse_split
from contrastive_jax.errors import InputError


class TestDataset:
    def test_subset_keeps_the_given_order(self):
        images = np.random.default_rng(0).integers(0, 256, (10, 4, 4, 3), np.uint8)
        labels = np.arange(10, dtype=np.int32) % 3
        part = Dataset(images, labels, 3, "x").subset(np.array([7, 2, 7]))
        np.testing.assert_array_equal(part.images, images[[7, 2, 7]])
        np.testing.assert_array_equal(part.labels, labels[[7, 2, 7]])
        assert (len(part), part.num_classes, part.name) == (3, 3, "x")

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            (lambda i, y: (i.astype(np.float32), y), "float32; store them as a uint8"),
            (lambda i, y: (i[..., 0], y), r"shape \(6, 4, 4\)"),
            (lambda i, y: (i[..., [0, 0, 0, 0]], y), "1 or 3 channels"),
            (lambda i, y: (i[:, :0], y), "expected .n, height, width"),
            (lambda i, y: (i[:0], y[:0]), "has no images"),
            (lambda i, y: (i, y[:5]), r"expected int32 of shape \(6,\)"),
            (lambda i, y: (i, y.astype(np.int64)), "labels of 'x' are int64"),
            (lambda i, y: (i, y + 1), "range from 1 to 3, outside 0 to 2"),
            (lambda i, y: (i, y - 1), "range from -1 to 1, outside 0 to 2"),
        ],
    )
    def test_refuses(self, change, sentence):
        images, labels = change(np.zeros((6, 4, 4, 3), np.uint8), np.array([0, 1, 2, 0, 1, 2], np.int32))
        with pytest.raises(InputError, match=sentence):
            Dataset(images, labels, 3, "x")

    @pytest.mark.parametrize("labels", [np.eye(3), np.zeros(3), np.array([0, 2**31])])
    def test_labels_that_are_not_class_numbers(self, labels):
        with pytest.raises(InputError, match="labels of 'x'"):
            int32_labels(labels, "x")


class TestSplit:
    @pytest.mark.parametrize(
        ("expression", "size", "rows"),
        [
            ("train", 7, slice(0, 7)),
            ("train[:90%]", 1437, slice(0, 1293)),
            ("train[90%:]", 1437, slice(1293, 1437)),
            ("train[33%:]", 20, slice(7, 20)),
            ("train[100:200]", 1000, slice(100, 200)),
            ("test[:1000]", 1000, slice(0, 1000)),
            ("train[25%:75]", 100, slice(25, 75)),
            ("train[:]", 3, slice(0, 3)),
        ],
    )
    def test_ranges(self, expression, size, rows):
        assert parse_split(expression).rows(size) == rows

    @pytest.mark.parametrize(
        "expression", ["train[", "train[a:b]", "train[-5:]", "train[5]", "", "train+test"]
    )
    def test_malformed(self, expression):
        with pytest.raises(InputError, match="is not valid; write it as"):
            parse_split(expression)

    @pytest.mark.parametrize(
        "expression", ["train[5:5]", "train[8:2]", "train[:11]", "train[:200%]", "train[:1%]"]
    )
    def test_empty_or_too_long(self, expression):
        with pytest.raises(InputError, match="of 10; choose a range"):
            parse_split(expression).rows(10)

    def test_unknown_name(self):
        with pytest.raises(InputError, match="no split 'trian'; did you mean 'train'"):
            parse_split("trian[:10]")
