"""Frozen representations or logits of images, computed on all devices in evaluation mode."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, UInt8

from contrastive_jax.augment import Recipe, make_views, plain
from contrastive_jax.methods.base import Images
from contrastive_jax.parallel.mesh import batch_sharding, data_devices

See = Callable[[Any, Any, Images], dict[str, Float[Array, "batch _"]]]
"""A method's `features` or `logits`."""
Extract = Callable[..., dict[str, np.ndarray]]


def make_extract(see: See, recipe: Recipe, mesh: Mesh, *, batch_size: int) -> Extract:
    """Compiles `extract(params, collections, images, key=None) -> {exit: [n, dim] float32}` on the host.

    see: what is extracted, a method's `features` or `logits`.
    images: uint8 [n, height, width, channel] in host memory. With a key, every image is augmented by the recipe as a
    function of the key and of its place in `images`; without one, it is seen as `augment.plain` has it.
    """
    batch_size = -(-batch_size // data_devices(mesh)) * data_devices(mesh)

    @jax.jit
    def plainly(params: Any, collections: Any, images: UInt8[Array, "batch height width channel"]):
        return see(params, collections, plain(recipe, images))

    @jax.jit
    def augmented(
        params: Any, collections: Any, images: UInt8[Array, "batch height width channel"], key: Array
    ):
        return see(params, collections, make_views(recipe, images, key, 1)[:, 0])

    def extract(params: Any, collections: Any, images: UInt8[np.ndarray, "n height width channel"], key=None):
        parts = []
        with jax.set_mesh(mesh):
            for number, (batch, kept) in enumerate(batches(images, batch_size)):
                batch = jax.device_put(batch, batch_sharding(mesh))
                if key is None:
                    found = plainly(params, collections, batch)
                else:
                    found = augmented(params, collections, batch, jax.random.fold_in(key, number))
                parts.append({name: np.asarray(x)[:kept] for name, x in found.items()})
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    return extract


def batches(images: np.ndarray, size: int) -> Iterator[tuple[np.ndarray, int]]:
    """Batches of exactly `size` images, the last padded with zeros, and how many of each are real."""
    for start in range(0, len(images), size):
        part = images[start : start + size]
        missing = size - len(part)
        yield np.pad(part, ((0, missing), *((0, 0),) * (images.ndim - 1))), len(part)


def fingerprint(tree: Any) -> dict[str, bytes]:
    """The bytes of every leaf by path: equal fingerprints mean that no bit has changed."""
    leaves = jax.tree_util.tree_leaves_with_path(jax.device_get(tree))
    return {jax.tree_util.keystr(path): np.asarray(leaf).tobytes() for path, leaf in leaves}


def accuracy_table(rows: dict[str, Float[np.ndarray, ""] | float]) -> str:
    """Names and percentages, one pair per line."""
    width = max(map(len, rows))
    return "\n".join(f"  {name:<{width}}  {value:6.2f}" for name, value in rows.items())
