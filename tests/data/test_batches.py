"""The order of an epoch is a pure permutation, and every device gets exactly its rows of the global batch."""

import jax
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from contrastive_jax.data.batches import check_batch_size, global_batch
from contrastive_jax.data.dataset import Dataset
from contrastive_jax.data.order import Order
from contrastive_jax.data.samplers import Uniform, permutation
from contrastive_jax.errors import InputError


def sharded_over(devices):
    mesh = jax.make_mesh((devices,), ("data",), axis_types=(AxisType.Auto,), devices=jax.devices()[:devices])
    return NamedSharding(mesh, P("data"))


def numbered(n):
    """All pixels of image i are i, and so is its label."""
    images = np.broadcast_to(np.arange(n, dtype=np.uint8)[:, None, None, None], (n, 2, 3, 1))
    return Dataset(images, np.arange(n, dtype=np.int32), n, "numbered")


def order(size, batch_size, seed=5):
    return Order(Uniform(), np.arange(size, dtype=np.int32), seed, batch_size)


class TestUniformOrder:
    @pytest.mark.parametrize("epoch", [0, 1, 7])
    def test_an_epoch_is_a_permutation(self, epoch):
        np.testing.assert_array_equal(np.sort(permutation(1001, 3, epoch)), np.arange(1001))

    def test_it_depends_only_on_seed_and_epoch(self):
        first = permutation(1001, 3, 0)
        assert not np.array_equal(first, permutation(1001, 3, 1))
        assert not np.array_equal(first, permutation(1001, 4, 0))
        assert not np.array_equal(permutation(1001, 0, 1), permutation(1001, 1, 0))
        np.random.seed(0)
        np.testing.assert_array_equal(first, permutation(1001, 3, 0))

    def test_it_is_the_same_in_every_version_of_numpy(self):
        assert permutation(10, 42, 1).tolist() == [1, 2, 8, 5, 3, 9, 6, 0, 4, 7]

    def test_the_cached_order_is_read_only(self):
        with pytest.raises(ValueError, match="read-only"):
            order(10, 5).at(0)[0] = 5

    def test_the_steps_of_an_epoch_are_disjoint_and_drop_the_rest(self):
        drawn = order(103, 10)
        assert drawn.steps_per_epoch == 10
        for epoch in (0, 2):
            steps = [drawn.at(step) for step in range(10 * epoch, 10 * (epoch + 1))]
            np.testing.assert_array_equal(np.concatenate(steps), permutation(103, 5, epoch)[:100])
            assert len(np.unique(np.concatenate(steps))) == 100

    def test_a_step_does_not_depend_on_earlier_steps(self):
        drawn = order(64, 16)
        run = [drawn.at(step).copy() for step in range(12)]
        np.testing.assert_array_equal(order(64, 16).at(11), run[11])


class TestGlobalBatch:
    def test_values_types_and_layout(self):
        sharding = sharded_over(8)
        indices = order(200, 16, seed=0).at(3)
        batch = global_batch(numbered(200), indices, sharding)
        assert {k: (v.dtype.name, v.shape) for k, v in batch.items()} == {
            "image": ("uint8", (16, 2, 3, 1)),
            "label": ("int32", (16,)),
            "index": ("int32", (16,)),
        }
        for array in batch.values():
            assert array.sharding.is_equivalent_to(sharding, array.ndim)
        np.testing.assert_array_equal(batch["image"][:, 1, 2, 0], indices)
        np.testing.assert_array_equal(batch["label"], indices)
        np.testing.assert_array_equal(batch["index"], indices)

    @pytest.mark.parametrize("devices", [1, 2, 8])
    def test_a_device_has_exactly_its_rows(self, devices):
        indices = order(200, 16, seed=0).at(0)
        batch = global_batch(numbered(200), indices, sharded_over(devices))
        for array in batch.values():
            held = [
                np.asarray(shard.data).reshape(16 // devices, -1)[:, 0] for shard in array.addressable_shards
            ]
            assert len(held) == devices
            for rank, rows in enumerate(held):
                np.testing.assert_array_equal(rows, np.split(indices, devices)[rank])

    def test_only_rows_of_the_batch_are_read(self):
        class Counting(np.ndarray):
            rows_read = []

            def __getitem__(self, key):
                if isinstance(key, np.ndarray):
                    Counting.rows_read.extend(key.tolist())
                return np.asarray(super().__getitem__(key))

        plain = numbered(200)
        watched = Dataset(plain.images.view(Counting), plain.labels, 200, "watched")
        indices = order(200, 16, seed=0).at(0)
        global_batch(watched, indices, sharded_over(8))
        assert sorted(Counting.rows_read) == sorted(indices.tolist())


class TestBatchSize:
    def test_accepts(self):
        check_batch_size(200, size=200, devices=8)

    @pytest.mark.parametrize(
        ("batch_size", "devices", "sentence"),
        [
            (0, 8, "at least 1"),
            (201, 1, r"larger than the data set \(200 examples\); use at most 200"),
            (208, 16, "use at most 192"),
            (100, 8, "cannot be split over 8 devices; use 96 or 104"),
            (5, 8, "cannot be split over 8 devices; use 8"),
        ],
    )
    def test_refuses(self, batch_size, devices, sentence):
        with pytest.raises(InputError, match=sentence):
            check_batch_size(batch_size, size=200, devices=devices)
