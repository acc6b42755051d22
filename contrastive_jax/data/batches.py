"""Rows of an image set -> one global batch on the devices."""

import jax
import numpy as np
from jaxtyping import Int

from contrastive_jax.data.encoded import ImageSet
from contrastive_jax.errors import InputError


def global_batch(
    dataset: ImageSet, indices: Int[np.ndarray, " batch"], sharding: jax.sharding.Sharding
) -> dict[str, jax.Array]:
    """The examples at `indices` as global arrays, laid out by `sharding` along the batch.

    Every process calls this with the same `indices` and copies only the rows of its own devices.

    Returns:
      image: uint8 [batch, height, width, channels]; label: int32 [batch]; index: int32 [batch], the
      example's row in `dataset` (the instance, where a loss needs one).
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
    """Refuses a global batch that is empty, does not divide over the devices, or exceeds the data set."""
    if batch_size < 1:
        raise InputError(f"batch_size is {batch_size}; it must be at least 1.")
    if batch_size > size:
        raise InputError(
            f"batch_size {batch_size} is larger than the data set ({size} examples); "
            f"use at most {size // devices * devices or size}."
        )
    if batch_size % devices:
        below, above = batch_size // devices * devices, -(-batch_size // devices) * devices
        near = f"{below} or {above}" if below else f"{above}"
        raise InputError(f"batch_size {batch_size} does not divide over {devices} devices; use {near}.")
