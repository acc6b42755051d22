"""Frozen representations or logits of images, computed on all devices in evaluation mode."""

import dataclasses
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, UInt8

from contrastive_jax.augment import Recipe, make_views, plain
from contrastive_jax.data.dataset import Dataset
from contrastive_jax.parallel.mesh import batch_sharding, data_devices

See = Callable[[Any, Any, Float[Array, "batch height width channel"]], dict[str, Float[Array, "batch _"]]]
"""A method's `features` or `logits`."""
Extract = Callable[..., dict[str, np.ndarray]]
Images = UInt8[Array, "batch height width channel"]
Extents = Int[Array, "batch 2"] | None
AHEAD = 8
"""Batches that the devices work on while the host fetches an earlier one."""


def make_extract(see: See, recipe: Recipe, mesh: Mesh, *, batch_size: int) -> Extract:
    """Compiles `extract(params, collections, images, key=None, extents=None) -> {exit: [n, dim] float32}` on the host.

    see: what is extracted, a method's `features` or `logits`.
    images: uint8 [n, height, width, channel] in host memory. With a key, every image is augmented by the recipe as a
    function of the key and of its place in `images`; without one, it is seen as `augment.plain` has it. `extents` are
    those of `Dataset`.
    """
    batch_size = -(-batch_size // data_devices(mesh)) * data_devices(mesh)

    @jax.jit
    def plainly(params: Any, collections: Any, images: Images, extents: Extents):
        return see(params, collections, plain(recipe, images, extents))

    @jax.jit
    def augmented(params: Any, collections: Any, images: Images, extents: Extents, key: Array):
        views = make_views(recipe, images, key, 1, extents=extents)
        return see(params, collections, views[:, 0])

    def extract(
        params: Any,
        collections: Any,
        images: UInt8[np.ndarray, "n height width channel"],
        key: Array | None = None,
        extents: Int[np.ndarray, "n 2"] | None = None,
    ):
        parts, coming = [], deque()
        with jax.set_mesh(mesh):
            for number, (batch, sizes, kept) in enumerate(batches(images, extents, batch_size)):
                batch, sizes = jax.device_put((batch, sizes), batch_sharding(mesh))
                if key is None:
                    found = plainly(params, collections, batch, sizes)
                else:
                    found = augmented(params, collections, batch, sizes, jax.random.fold_in(key, number))
                jax.tree.map(lambda x: x.copy_to_host_async(), found)
                coming.append((found, kept))
                if len(coming) > AHEAD:
                    parts.append(on_host(*coming.popleft()))
        parts += [on_host(*each) for each in coming]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    return extract


def on_host(found: dict[str, Array], kept: int) -> dict[str, np.ndarray]:
    """The first `kept` rows."""
    return {name: np.asarray(x)[:kept] for name, x in found.items()}


def batches(
    images: np.ndarray, extents: np.ndarray | None, size: int
) -> Iterator[tuple[np.ndarray, np.ndarray | None, int]]:
    """Batches of exactly `size` images, the last padded with black ones, their extents, and how many are real."""
    for start in range(0, len(images), size):
        part = images[start : start + size]
        missing = size - len(part)
        sizes = extents
        if extents is not None:
            sizes = np.pad(extents[start : start + size], ((0, missing), (0, 0)), constant_values=1)
        yield np.pad(part, ((0, missing), *((0, 0),) * (images.ndim - 1))), sizes, len(part)


def seen_pixels(
    recipe: Recipe, dataset: Dataset, batch_size: int = 64
) -> UInt8[np.ndarray, "n side side channel"]:
    """What a network sees of every picture in evaluation, in 8 bits; images that pictures fill are themselves."""
    if dataset.extents is None:
        return dataset.images
    seen = jax.jit(plain, static_argnums=0)
    unit = dataclasses.replace(recipe, mean=(0.0,), std=(1.0,), random_bits=0)
    parts = [
        np.asarray(jax.numpy.round(255 * seen(unit, batch, sizes)), np.uint8)[:kept]
        for batch, sizes, kept in batches(dataset.images, dataset.extents, batch_size)
    ]
    return np.concatenate(parts)


def fingerprint(tree: Any) -> dict[str, bytes]:
    """The bytes of every leaf by path: equal fingerprints mean that no bit has changed."""
    leaves = jax.tree_util.tree_leaves_with_path(jax.device_get(tree))
    return {jax.tree_util.keystr(path): np.asarray(leaf).tobytes() for path, leaf in leaves}


def accuracy_table(rows: dict[str, Float[np.ndarray, ""] | float]) -> str:
    """Names and percentages, one pair per line."""
    width = max(map(len, rows))
    return "\n".join(f"  {name:<{width}}  {value:6.2f}" for name, value in rows.items())
