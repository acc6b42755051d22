"""Makes one global batch on the devices from rows of an image set."""

import jax
import numpy as np
from grain.multiprocessing import SharedMemoryArray
from jaxtyping import Int, Int64

from contrastive_jax.data.dataset import HostBatch
from contrastive_jax.data.encoded import ImageSet
from contrastive_jax.errors import InputError


def global_batch(
    dataset: ImageSet, indices: Int[np.ndarray, " batch"], sharding: jax.sharding.Sharding
) -> dict[str, jax.Array]:
    """The examples at `indices` as global arrays, sharded along the batch by `sharding`.

    Every process calls this with the same `indices` and reads only the rows of its devices.

    Returns:
      image: uint8 [batch, height, width, channels].
      label: int32 [batch].
      index: int32 [batch], the example's row in `dataset`, which identifies the instance.
      extent: int32 [batch, 2], only where pictures vary in size: the height and width of each, in the top left corner
        of its image.
    """
    mine = indices[local_rows(len(indices), sharding)]
    return place(dataset.gather(mine), len(indices), sharding)


def local_rows(batch_size: int, sharding: jax.sharding.Sharding) -> Int64[np.ndarray, " local"]:
    """The rows of a global batch that are on devices of this process, in ascending order."""
    parts = sharding.addressable_devices_indices_map((batch_size,)).values()
    return np.unique(np.concatenate([np.arange(batch_size)[index] for index in parts if index is not None]))


def place(batch: HostBatch, batch_size: int, sharding: jax.sharding.Sharding) -> dict[str, jax.Array]:
    """Makes global arrays from each process's `local_rows`; no data is sent between processes."""
    rows = local_rows(batch_size, sharding)

    def put(local: np.ndarray) -> jax.Array:
        def shard(index):
            start, stop, _ = index[0].indices(batch_size)
            first = np.searchsorted(rows, start)
            held = local[first : first + stop - start]
            # A device array on a CPU may alias its source, but shared memory is soon reused.
            return np.array(held) if isinstance(held, SharedMemoryArray) else held

        return jax.make_array_from_callback((batch_size, *local.shape[1:]), sharding, shard)

    return {name: put(local) for name, local in batch.items()}


def check_batch_size(batch_size: int, size: int, devices: int) -> None:
    """Checks a global batch size.

    Raises:
      InputError: it is below 1, larger than the data set, or not a multiple of the number of devices.
    """
    if batch_size < 1:
        raise InputError(f"batch_size is {batch_size}; it must be at least 1.")
    if batch_size > size:
        raise InputError(
            f"batch_size {batch_size} is larger than the data set ({size} examples); "
            f"use at most {size // devices * devices or size}, and lower the learning rate in proportion."
        )
    if batch_size % devices:
        below, above = batch_size // devices * devices, -(-batch_size // devices) * devices
        near = f"{below} or {above}" if below else f"{above}"
        raise InputError(f"batch_size {batch_size} cannot be split over {devices} devices; use {near}.")
