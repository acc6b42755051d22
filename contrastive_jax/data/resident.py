"""A data set in device memory: uint8 images sharded over the devices and gathered by row inside the step."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh
from jaxtyping import Array, Int, Int32, UInt8

from contrastive_jax.data.dataset import Dataset
from contrastive_jax.parallel.mesh import batch_sharding, data_devices, replicated


class Resident(NamedTuple):
    image: UInt8[Array, "row height width channel"]
    """Sharded over the devices; padded with black rows that no index refers to."""
    label: Int32[Array, " row"]
    """Replicated."""
    extent: Int32[Array, "row 2"] | None = None
    """Replicated; height and width of each picture, where they vary in size."""


def resident(dataset: Dataset, mesh: Mesh) -> Resident:
    """Copies the data set to the devices; each process copies only the part of its devices."""
    size = len(dataset.labels)
    parts = data_devices(mesh)
    rows = -(-size // parts) * parts

    def shard(index):
        start, stop, _ = index[0].indices(rows)
        held = dataset.images[start:stop]
        missing = (stop - start) - len(held)
        return np.concatenate([held, np.zeros((missing, *held.shape[1:]), held.dtype)]) if missing else held

    shape = (rows, *dataset.images.shape[1:])
    image = jax.make_array_from_callback(shape, batch_sharding(mesh), shard)

    def everywhere(values: np.ndarray) -> Array:
        return jax.make_array_from_callback(values.shape, replicated(mesh), lambda index: values[index])

    extent = None if dataset.extents is None else everywhere(dataset.extents)
    return Resident(image, everywhere(dataset.labels), extent)


def take(data: Resident, rows: Int[Array, " batch"], mesh: Mesh) -> dict[str, Array]:
    """The batch at `rows`, as `batches.global_batch` makes it, inside a compiled step."""
    batch = {
        name: jnp.take(values, rows, axis=0, mode="clip")
        for name, values in data._asdict().items()
        if values is not None
    }
    batch["index"] = rows.astype(jnp.int32)
    return lax.with_sharding_constraint(batch, batch_sharding(mesh))


def fits(dataset_bytes: int, mesh: Mesh) -> bool:
    """Whether the set takes at most a quarter of each device's memory, which counts as 8 GiB if unknown."""
    statistics = mesh.local_devices[0].memory_stats() or {}
    limit = statistics.get("bytes_limit", 8 * 2**30)
    return dataset_bytes / data_devices(mesh) <= limit / 4
