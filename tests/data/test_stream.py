"""The stream gives the batches of the in-memory pipeline at any step, from threads, processes and several hosts."""

import itertools
import multiprocessing
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys

import jax
import numpy as np
import pytest
from PIL import Image

from contrastive_jax.data import sources, stream
from contrastive_jax.data.batches import global_batch
from contrastive_jax.data.dataset import Dataset
from contrastive_jax.data.order import Order
from contrastive_jax.data.pictures import CorruptImage
from contrastive_jax.data.samplers import Balanced, Uniform
from contrastive_jax.data.stream import Stream, local_rows, place
from contrastive_jax.parallel.mesh import batch_sharding, make_mesh

BATCH = 16


def sharded(devices=8):
    return batch_sharding(make_mesh(jax.devices()[:devices]))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """67 encoded pictures of three classes and several sizes."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for i in range(67):
        path = folder / "abc"[i % 3] / f"{i}.{'jpg' if i % 2 else 'png'}"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (12 + i % 5, 14, 3), np.uint8)).save(path)
    return sources.open_split(f"folder:{folder}", "train", image_size=8)


@pytest.fixture(scope="module")
def memory(pictures):
    return pictures.in_memory()


def order_of(dataset, sampler=None):
    return Order(sampler or Uniform(), dataset.labels, 5, BATCH)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def taken(batches, n):
    found = list(itertools.islice(batches, n))
    batches.close()
    return found


def check_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].sharding.is_equivalent_to(array.sharding, array.ndim)
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("devices", [1, 8])
@pytest.mark.parametrize("first", [0, 3, 9])  # an epoch is 4 steps
@pytest.mark.parametrize("kind", ["arrays", "pictures"])
def test_batches_equal_those_from_memory(pictures, memory, kind, first, devices):
    order, sharding = order_of(memory), sharded(devices)
    dataset = memory if kind == "arrays" else pictures
    found = taken(Stream(dataset, order.at, BATCH, sharding, workers=0).batches(first), 6)
    for step, batch in zip(range(first, first + 6), found):
        check_equal(batch, global_batch(memory, order.at(step), sharding))


def test_worker_processes_and_another_sampler_give_the_same_batches(pictures, memory):
    sampler, sharding = Balanced(), sharded()
    order = order_of(memory, sampler)
    batches = Stream(pictures, order_of(memory, sampler).at, BATCH, sharding, workers=2).batches(2)
    for step, batch in zip(range(2, 14), taken(batches, 12)):
        check_equal(batch, global_batch(memory, order.at(step), sharding))


def test_workers_outlive_the_signals_that_stop_a_run(pictures, memory):
    order, sharding = order_of(memory), sharded()
    batches = Stream(pictures, order.at, BATCH, sharding, workers=1).batches(0)
    next(batches)
    workers = multiprocessing.active_children()
    assert workers
    for worker, number in itertools.product(workers, (signal.SIGINT, signal.SIGTERM)):
        os.kill(worker.pid, number)
    for step, batch in zip(range(1, 31), taken(batches, 30)):  # more than were made in advance
        check_equal(batch, global_batch(memory, order.at(step), sharding))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_corrupt_picture_raises_an_error_with_its_name(pictures, tmp_path, workers):
    folder = tmp_path / "copy"
    shutil.copytree(pathlib.Path(pictures.records.where(0)).parents[1], folder)
    (folder / "a" / "3.jpg").write_bytes(b"\xff\xd8 no JPEG")
    broken = sources.open_split(f"folder:{folder}", "train", image_size=8)
    batches = Stream(broken, order_of(broken).at, BATCH, sharded(), workers).batches(0)
    with pytest.raises(CorruptImage, match="a/3.jpg cannot be decoded"):
        taken(batches, 5)


def test_arrays_are_gathered_once_per_batch(memory):
    class Counting(Dataset):
        calls = []

        def gather(self, indices):
            self.calls.append(len(indices))
            return super().gather(indices)

    watched = Counting(memory.images, memory.labels, 3, "watched")
    taken(Stream(watched, order_of(memory).at, BATCH, sharded()).batches(0), 3)
    assert set(Counting.calls) == {BATCH} and len(Counting.calls) <= 3 + 2 * stream.AHEAD + 3


def test_returned_batches_are_never_overwritten(memory):
    order, sharding = order_of(memory), sharded(1)
    found = taken(Stream(memory, order.at, BATCH, sharding).batches(0), 12)  # all kept, none copied
    for step, batch in enumerate(found):
        check_equal(batch, global_batch(memory, order.at(step), sharding))


def test_without_enough_shared_memory_workers_use_pipes(monkeypatch):
    plenty = stream._shared_memory((512, 224, 224, 3), workers=2)
    assert plenty.min_shm_size == stream.SMALL
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(1 << 26, 0, 1 << 26))
    assert stream._shared_memory((512, 224, 224, 3), workers=2).min_shm_size > 512 * 224 * 224 * 3


def test_workers_depend_on_the_kind_of_data_and_the_cores(pictures, memory, monkeypatch):
    def chosen(dataset, cores):
        monkeypatch.setattr(stream, "cores", lambda: cores)
        return Stream(dataset, order_of(memory).at, BATCH, sharded())._workers()

    assert [chosen(memory, 32), chosen(pictures, 2), chosen(pictures, 32)] == [0, 0, 32]


def test_the_rows_of_this_process_and_their_placement():
    sharding = sharded()
    np.testing.assert_array_equal(local_rows(BATCH, sharding), np.arange(BATCH))
    batch = {"x": np.arange(BATCH * 3).reshape(BATCH, 3)}
    np.testing.assert_array_equal(place(batch, BATCH, sharding)["x"], batch["x"])


HOST = """
import sys
import jax
jax.config.update("jax_num_cpu_devices", 2)
number, port, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3]
jax.distributed.initialize(f"127.0.0.1:{port}", 2, number)
import numpy as np
from contrastive_jax.data import sources
from contrastive_jax.data.order import Order
from contrastive_jax.data.samplers import Uniform
from contrastive_jax.data.stream import Stream, local_rows
from contrastive_jax.parallel.mesh import batch_sharding, make_mesh

dataset = sources.open_split(f"folder:{folder}", "train", image_size=8)
sharding = batch_sharding(make_mesh())
assert local_rows(16, sharding).tolist() == list(range(8 * number, 8 * number + 8))
gathered = []
object.__setattr__(dataset, "gather", lambda rows, whole=dataset.gather: gathered.append(len(rows)) or whole(rows))
batches = Stream(dataset, Order(Uniform(), dataset.labels, 5, 16).at, 16, sharding, workers=0).batches(3)
for step in range(2):
    batch = next(batches)
    assert batch["image"].shape == (16, 8, 8, 3)
    for name, array in batch.items():
        for shard in array.addressable_shards:
            np.save(f"{sys.argv[4]}/{name}-{step}-{shard.index[0].start}.npy", np.asarray(shard.data))
assert set(gathered) == {8}  # nothing is decoded for the other process
"""


def test_two_processes_have_the_halves_of_one_batch(pictures, memory, tmp_path):
    folder, port = pathlib.Path(pictures.records.where(0)).parents[1], free_port()
    root = str(pathlib.Path(__file__).parents[2])
    hosts = [
        subprocess.Popen(
            [sys.executable, "-c", HOST, str(number), str(port), str(folder), str(tmp_path)],
            cwd=root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )  # fmt: skip
        for number in range(2)
    ]
    for host in hosts:
        output, _ = host.communicate(timeout=200)
        assert host.returncode == 0, output
    order = order_of(memory)
    for step in range(2):
        expected = global_batch(memory, order.at(3 + step), sharded(1))
        for name, array in expected.items():
            parts = [np.load(tmp_path / f"{name}-{step}-{start}.npy") for start in range(0, BATCH, 4)]
            np.testing.assert_array_equal(np.concatenate(parts), array)
