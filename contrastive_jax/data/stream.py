"""Batches of a set that is too large for device memory, made on the host while the devices compute.

Grain worker processes, or threads on a machine with few cores, decode whole batches of pictures. Arrays are gathered
by one thread with one indexing operation per batch. Another thread copies batches to the devices a few steps ahead.
Everything is a function of the step number, so a stream opened at step k continues a run exactly, with any number of
workers, and its batches equal those of `global_batch` and of the resident pipeline.

Worker processes are spawned, so a script that opens a stream needs `if __name__ == "__main__":`.
"""

import dataclasses
import math
import pathlib
import shutil
import signal
from collections.abc import Callable, Generator

import grain
import jax
import numpy as np
from absl import flags
from jaxtyping import Array, Int, Int64

from contrastive_jax.data.batches import local_rows, place
from contrastive_jax.data.dataset import Dataset, HostBatch
from contrastive_jax.data.encoded import ImageSet, cores

AHEAD = 2  # batches that wait on the devices
FEW_CORES = (
    4  # up to this number, threads are cheaper than processes, which pass batches through shared memory
)
SMALL = 1 << 16  # bytes; workers send smaller arrays through a pipe
NEVER = 2**31  # steps; no run is longer


@dataclasses.dataclass(frozen=True, eq=False)
class Stream:
    """Makes the batches of `dataset` on the devices of `sharding`."""

    dataset: ImageSet
    indices_at: Callable[[int], Int[np.ndarray, " batch"]]
    """The rows of a step, the same in all processes of a job. Workers pickle it, so it must not use JAX."""
    batch_size: int
    """Rows per step, over all processes."""
    sharding: jax.sharding.Sharding
    """How arrays are sharded along the batch."""
    workers: int = -1
    """Processes that decode. 0: threads of this process. -1: 0 for arrays and on few cores, else one per core."""

    def batches(self, first_step: int) -> Generator[dict[str, Array]]:
        """Yields the batches of `first_step` and all later steps, as `batches.global_batch` makes them.

        Close the iterator, or drop it, to stop the workers.

        Raises:
          CorruptImage: a picture cannot be decoded; the message names the file.
        """
        workers = self._workers()
        if workers and not flags.FLAGS.is_parsed():  # Grain reads absl's flags, which only commands parse
            flags.FLAGS(["stream"])
        mine = local_rows(self.batch_size, self.sharding)
        shape = (len(mine), *self.dataset.image_shape)
        on_host = (
            grain.MapDataset.range(first_step, NEVER)
            .map(Decode(self.dataset, self.indices_at, mine))
            .to_iter_dataset(self._threads(workers))
            .mp_prefetch(grain.MultiprocessingOptions(num_workers=workers), worker_init_fn=leave_signals)
            .map(lambda batch: place(batch, self.batch_size, self.sharding))
        )
        on_host = grain.experimental.WithOptionsIterDataset(on_host, _shared_memory(shape, workers))
        ahead = grain.experimental.ThreadPrefetchIterDataset(on_host, prefetch_buffer_size=AHEAD)
        iterator = iter(ahead)
        try:
            while True:
                yield next(iterator)
        finally:
            iterator.close()

    def _workers(self) -> int:
        if self.workers >= 0:
            return self.workers
        return 0 if isinstance(self.dataset, Dataset) or cores() <= FEW_CORES else cores()

    def _threads(self, workers: int) -> grain.ReadOptions:
        """Threads that make batches in advance; none in a worker process, which has a queue of its own."""
        count = 0 if workers else 1 if isinstance(self.dataset, Dataset) else min(cores(), FEW_CORES)
        return grain.ReadOptions(num_threads=count, prefetch_buffer_size=count + 1 if count else 0)


def leave_signals(worker: int, workers: int) -> None:
    """Ctrl-C and SLURM signal the workers too, whose batches the run still needs until it has stopped."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # Grain ends its workers by SIGKILL


@dataclasses.dataclass(frozen=True, eq=False)
class Decode:
    """Maps a step to this process's rows of the batch, on the host. Runs in the workers."""

    dataset: ImageSet
    indices_at: Callable[[int], Int[np.ndarray, " batch"]]
    rows: Int64[np.ndarray, " local"]

    def __call__(self, step: int) -> HostBatch:
        return self.dataset.gather(self.indices_at(int(step))[self.rows])


def _shared_memory(shape: tuple[int, ...], workers: int) -> grain.experimental.DatasetOptions:
    """Workers send images through shared memory if there is enough of it, which containers often lack."""
    folder = pathlib.Path("/dev/shm")
    needed = 3 * max(1, workers) * math.prod(shape)  # one being made, one in the queue, one being copied
    enough = not folder.is_dir() or shutil.disk_usage(folder).free > needed
    return grain.experimental.DatasetOptions(min_shm_size=SMALL if enough else needed)
