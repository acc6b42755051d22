"""Images per second of the input stream and of tf.data on the same work, interleaved in one run.

    python benchmarks/input.py                                    arrays only
    python benchmarks/input.py --folder=/data/tiny-imagenet-200   also this folder of pictures

The work: every image once per epoch in a new random order; for pictures, reading the file, decoding it and resizing
it; batching; copying to the devices. tf.data uses AUTOTUNE for parallel calls and prefetch, and runs arrays in its two
usual forms (slices shuffled and batched; one gather per batch). Rounds alternate between the systems. The first
batches of a round are not timed, because they were made while the others ran. A figure is the median of the rounds,
with the lowest and the highest.

`per core` divides by the processor time of the system, workers included. Other load on the machine disturbs it less
than wall-clock time. Needs TensorFlow.
"""

import importlib.metadata
import multiprocessing
import os
import pathlib
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import jax
import numpy as np
from absl import app, flags

from contrastive_jax.data import sources
from contrastive_jax.data.batches import place
from contrastive_jax.data.dataset import Dataset
from contrastive_jax.data.encoded import EncodedImages, cores
from contrastive_jax.data.order import Order
from contrastive_jax.data.samplers import Uniform
from contrastive_jax.data.stream import Stream
from contrastive_jax.parallel.mesh import batch_sharding, make_mesh

_FOLDER = flags.DEFINE_string("folder", "", "Folder of pictures, in a layout that the source `folder` reads.")
_IMAGE_SIZE = flags.DEFINE_integer(
    "image_size", 0, "Side that pictures are decoded to; 0: their natural size."
)
_BATCH = flags.DEFINE_integer("batch", 128, "Images per batch of pictures; arrays use 512.")
_IMAGES = flags.DEFINE_integer("images", 4096, "Pictures per round; arrays take 50 times as many.")
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Rounds of each system.")
_WORKERS = flags.DEFINE_integer("workers", -1, "Worker processes of the stream; -1: chosen by the stream.")

SKIPPED = 24  # batches at the start of a round, more than any system prefetches
Batches = Iterator[object]


def main(_) -> None:
    packages = ("jax", "numpy", "grain", "pillow", "tensorflow-cpu")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    print(f"{processor()}, {cores()} cores; Python {platform.python_version()}, {versions}\n")
    rng = np.random.default_rng(0)
    arrays = Dataset(
        rng.integers(0, 256, (50_000, 32, 32, 3), np.uint8), np.zeros(50_000, np.int32), 1, "32x32 arrays"
    )
    systems = {"stream": stream(arrays, 512), "tf.data slices": tf_slices(arrays, 512)}
    compare(
        "arrays, 50,000 of 32x32x3, batch 512", systems | {"tf.data gather": tf_gather(arrays, 512)}, 512, 50
    )
    if _FOLDER.value:
        pictures = sources.open_split(f"folder:{_FOLDER.value}", "train", image_size=_IMAGE_SIZE.value)
        assert isinstance(pictures, EncodedImages)
        if pictures.varies:  # tf.data's side knows no canvas: both cut out the centre square
            pictures = pictures.squares(_IMAGE_SIZE.value or 224)
        batch = _BATCH.value
        systems = {"stream": stream(pictures, batch), "tf.data": tf_pictures(pictures, batch)}
        name = pathlib.Path(_FOLDER.value).name
        title = f"{len(pictures)} pictures of {name} to {pictures.image_shape}, batch {batch}"
        compare(title, systems, batch, 1)


def compare(title: str, systems: dict[str, Callable[[], Batches]], batch: int, times: int) -> None:
    """Prints images per second of wall-clock time and of processor time for every system."""
    count = max(1, _IMAGES.value * times // batch)
    opened = {name: open_batches() for name, open_batches in systems.items()}
    clock: dict[str, list[float]] = {name: [] for name in systems}
    per_core: dict[str, list[float]] = {name: [] for name in systems}
    for _ in range(_ROUNDS.value):
        for name, batches in opened.items():
            for _ in range(SKIPPED):
                jax.block_until_ready(next(batches))
            seconds, processor_seconds = time.perf_counter(), cpu_seconds()
            for _ in range(count):
                jax.block_until_ready(next(batches))
            clock[name].append(count * batch / (time.perf_counter() - seconds))
            per_core[name].append(count * batch / (cpu_seconds() - processor_seconds))
    print(f"{title}: {_ROUNDS.value} rounds of {count} batches, images/s")
    for name in systems:
        print(f"  {name:16}{spread(clock[name])} by the clock {spread(per_core[name])} per core")
    print()
    for batches in opened.values():
        getattr(batches, "close", lambda: None)()


def stream(dataset: Dataset | EncodedImages, batch: int) -> Callable[[], Batches]:
    order = Order(Uniform(), dataset.labels, 0, batch)
    return lambda: Stream(dataset, order.at, batch, sharding(), _WORKERS.value).batches(0)


def tf_slices(dataset: Dataset, batch: int) -> Callable[[], Batches]:
    import tensorflow as tf

    columns: Any = {"image": dataset.images, "label": dataset.labels}
    slices = tf.data.Dataset.from_tensor_slices(columns)
    shuffled = slices.shuffle(len(dataset)).repeat().batch(batch, drop_remainder=True)
    return lambda: on_devices(shuffled.prefetch(tf.data.AUTOTUNE), batch)


def tf_gather(dataset: Dataset, batch: int) -> Callable[[], Batches]:
    import tensorflow as tf

    images, labels = tf.constant(dataset.images), tf.constant(dataset.labels)
    rows = (
        tf.data.Dataset.range(len(dataset)).shuffle(len(dataset)).repeat().batch(batch, drop_remainder=True)
    )

    def take(indices):
        return {"image": tf.gather(images, indices), "label": tf.gather(labels, indices)}

    return lambda: on_devices(rows.map(take, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE), batch)


def tf_pictures(dataset: EncodedImages, batch: int) -> Callable[[], Batches]:
    import tensorflow as tf

    height, width, channels = dataset.image_shape
    names = [dataset.records.where(int(position)) for position in dataset.positions]
    files = tf.data.Dataset.from_tensor_slices((names, dataset.labels)).shuffle(len(names)).repeat()

    def decode(name, label):
        image = tf.io.decode_jpeg(tf.io.read_file(name), channels=channels)
        if tf.reduce_any(
            tf.shape(image)[:2] != (height, width)
        ):  # resize of the shorter side and centre crop, as in `data.pictures`
            size = tf.cast(tf.shape(image)[:2], tf.float32)
            scale = tf.reduce_max(tf.constant([height, width], tf.float32) / size)
            target = tf.maximum(tf.cast(tf.round(size * scale), tf.int32), (height, width))
            image = tf.cast(tf.image.resize(image, target, antialias=True) + 0.5, tf.uint8)
            image = tf.image.resize_with_crop_or_pad(image, height, width)
        return {"image": tf.ensure_shape(image, dataset.image_shape), "label": label}

    decoded = files.map(decode, tf.data.AUTOTUNE, deterministic=True).batch(batch, drop_remainder=True)
    return lambda: on_devices(decoded.prefetch(tf.data.AUTOTUNE), batch)


def on_devices(dataset, batch: int) -> Batches:
    for found in dataset.as_numpy_iterator():
        yield place(found, batch, sharding())


def sharding() -> jax.sharding.NamedSharding:
    return batch_sharding(make_mesh())


def cpu_seconds() -> float:
    """Processor time of this process and its running workers."""
    ticks = 0
    for child in multiprocessing.active_children():
        fields = pathlib.Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])  # user and system
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):9,.0f} ({min(values):,.0f} to {max(values):,.0f})"


def processor() -> str:
    names = [
        line
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return names[0].partition(": ")[2] if names else platform.machine()


if __name__ == "__main__":
    app.run(main)
