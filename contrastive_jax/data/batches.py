"""Makes one global batch on the devices from rows of an image set."""

import jax
import numpy as np
from jaxtyping import Int

from contrastive_jax.data.encoded import ImageSet
from contrastive_jax.errors import InputError


def global_batch(
    dataset: ImageSet, indices: Int[np.ndarray, " batch"], sharding: jax.sharding.Sharding
) -> dict[str, jax.Array]:
    """The examples at `indices` as global arrays, sharded along the batch by `sharding`.

    Every process calls this with the same `indices` and copies only the rows of its devices.

    Returns:
      image: uint8 [batch, height, width, channels].
      label: int32 [batch].
      index: int32 [batch], the example's row in `dataset`, which identifies the instance.
    """

    def place(rows_of, shape):
        def shard(index):
            return rows_of(indices[index[0]])[(slice(None), *index[1:])]

        return jax.make_array_from_callback((len(indices), *shape), sharding, shard)

    return {
        "image": place(dataset.gather, dataset.image_shape),
        "label": place(lambda rows: dataset.labels[rows], ()),
        "index": place(lambda rows: rows.astype(np.int32), ()),
    }


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
