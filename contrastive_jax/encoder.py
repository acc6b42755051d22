"""A trained encoder as a function from pictures to vectors, read from its run directory alone."""

import dataclasses
import functools
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from contrastive_jax.augment import Recipe, plain
from contrastive_jax.data.encoded import ImageSet
from contrastive_jax.data.facts import recorded
from contrastive_jax.errors import InputError, nearest
from contrastive_jax.evaluate.features import batches
from contrastive_jax.evaluate.settings import JUDGED
from contrastive_jax.experiment import assemble
from contrastive_jax.methods import Collections, Method
from contrastive_jax.models.outputs import FINAL
from contrastive_jax.parallel.mesh import batch_sharding, make_mesh, replicated
from contrastive_jax.train.checkpoint import Checkpoints, structured
from contrastive_jax.train.run_directory import RunDirectory

Images = Any
"""uint8 [n, height, width, channel], NumPy or JAX; checked in the caller's words."""
Extents = Int[np.ndarray, "n 2"] | Int[Array, "n 2"] | None


def load_encoder(
    run: str | os.PathLike[str],
    *,
    step: int | None = None,
    exit: str = FINAL,
    judged: str = "student",
    batch_size: int = 512,
) -> "Encoder":
    """The encoder of a pretraining run, ready to embed pictures. Reads the run directory and no training data.

    Args:
      run: the directory of the run (its `--workdir`).
      step: of the checkpoint; None: the newest.
      exit: whose representations `embed` returns: `final`, the backbone, or another of `Encoder.exits`.
      judged: `student`, or `teacher`: the slow copy of the network that BYOL, MoCo and SDSSL keep, for example.
      batch_size: largest number of images that the devices see at a time, all together.

    Raises:
      InputError: not a run, no such checkpoint, exit or teacher, or a run of a version that did not record what its
        images are.

    Example:
      ```python
      encoder = contrastive_jax.load_encoder("runs/a")
      vectors = encoder.embed(images)  # uint8 [n, height, width, channel] -> float32 [n, dim]
      ```
    """
    directory = RunDirectory(pathlib.Path(run))
    experiment = assemble(directory.config())
    if judged not in JUDGED:
        raise InputError(f"judged is '{judged}': {nearest(judged, JUDGED)}")
    if batch_size < 1:
        raise InputError(f"batch_size is {batch_size}; it must be at least 1.")
    seen = recorded(directory.record(), directory.path)
    method = experiment.method(num_classes=seen.num_classes, labels=seen.labels)
    shape = experiment.view_shape(seen)
    found, params, collections, state = restored(directory, method, shape, step)
    if judged == "teacher":
        params, collections = method.of_teacher(params, collections, state)
    encoder = Encoder(
        exit=exit,
        step=found,
        image_shape=(*shape[:2], seen.image_shape[2]),
        batch_size=batch_size,
        recipe=dataclasses.replace(experiment.recipe_for(seen), size=shape[0]),
        method=method,
        params=jax.tree.map(jnp.asarray, params),
        collections=collections,
    )
    if exit not in encoder.exits:
        raise InputError(
            f"the encoder of {directory.path} has no exit '{exit}': {nearest(exit, encoder.exits)}"
        )
    return encoder


def restored(
    run: RunDirectory, method: Method, view_shape: tuple[int, int, int], step: int | None
) -> tuple[int, Any, Collections, Any]:
    """A checkpoint's step, and its parameters, collections and the method's state as NumPy arrays."""
    checkpoints = Checkpoints(run.checkpoints, read_only=True)
    try:
        arrays = checkpoints.arrays(step)
    finally:
        checkpoints.close()
    views = jax.ShapeDtypeStruct((2, method.views, *view_shape), jnp.float32)
    like = jax.eval_shape(method.init, jax.eval_shape(lambda: jax.random.key(0)), views)
    named = zip(("params", "collections", "method_state"), like, strict=True)
    trees = (structured(tree, arrays.get(name, {}), f"{run.path}: {name}") for name, tree in named)
    return int(arrays["step"]), *trees


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Encoder:
    """A trained encoder. `load_encoder` makes one.

    `embed` and `features` take and return NumPy arrays and use all devices of this process. `apply`, and its two halves
    `preprocess` and `forward`, are pure functions of JAX arrays, to be used under `jax.jit`, `vmap` and `grad`:

    ```python
    @jax.jit
    def similarity(params, a, b):
        a, b = (losses.l2_normalize(encoder.apply(params, images)["final"]) for images in (a, b))
        return jnp.sum(a * b, axis=-1)

    similarity(encoder.params, images, others)                          # [n]
    jax.grad(lambda views: jnp.sum(encoder.forward(encoder.params, views)["final"]))(encoder.preprocess(images))
    ```

    The first argument is `encoder.params` or a pytree like it, such as parameters that you train further. They are
    passed in rather than closed over, because `jit` stores what a function closes over in the program. BatchNorm uses
    the run's statistics.
    """

    exit: str
    """Whose representations `embed` returns."""
    step: int
    """Updates after which the encoder was saved."""
    image_shape: tuple[int, int, int]
    """Height and width that the network sees, and the channels of images. Pictures of any size are resized to it as
    the run's evaluation does: see `preprocess`."""
    batch_size: int
    """Largest number of images that the devices see at a time."""
    recipe: Recipe = dataclasses.field(repr=False)
    """Of the run, with the size of its views."""
    method: Method = dataclasses.field(repr=False)
    """The run's method, which holds the networks."""
    params: Any = dataclasses.field(repr=False)
    """The method's parameters, heads included."""
    collections: Collections = dataclasses.field(repr=False)
    """BatchNorm statistics and frozen arrays."""

    @functools.cached_property
    def dims(self) -> dict[str, int]:
        """The dimension of every exit's representations, the backbone's (`final`) last."""
        height, width, channels = self.image_shape
        image = jax.ShapeDtypeStruct((1, height, width, channels), jnp.uint8)
        found = jax.eval_shape(self.apply, self.params, image)
        return {name: x.shape[-1] for name, x in found.items()}

    @property
    def exits(self) -> tuple[str, ...]:
        """The names of the exits."""
        return tuple(self.dims)

    def embed(self, images: Images, extents: Extents = None) -> Float[np.ndarray, "n dim"]:
        """The representations of the exit that `load_encoder` was given, float32 on the host.

        Args:
          images: uint8 [n, height, width, channel] of any number and size.
          extents: where pictures vary in size, height and width of each, in the top left corner of its image, [n, 2];
            None: pictures fill their images.

        Raises:
          InputError: images of another type, number of dimensions or number of channels.
        """
        return self._computed(images, extents, (self.exit,))[self.exit]

    def features(self, images: Images, extents: Extents = None) -> dict[str, Float[np.ndarray, "n _"]]:
        """The representations of every exit, by name. The arguments are those of `embed`."""
        return self._computed(images, extents, self.exits)

    def stream(self, images: ImageSet, *, workers: int = -1) -> Iterator[Float[np.ndarray, "batch dim"]]:
        """`embed` for an image set, batch by batch in its order; decodes ahead and never holds all pictures.

        Args:
          images: as `data.sources.open_split` returns them.
          workers: processes that decode; -1: one per core for pictures, none for arrays. Processes are spawned, so a
            script needs `if __name__ == "__main__":`.
        """
        from contrastive_jax.data.stream import Stream  # imports grain, which arrays do not need

        self._check_channels(images.image_shape[2])
        size = self._rows_at_once(len(images))
        stream = Stream(images, Consecutive(size, len(images)), size, batch_sharding(self._mesh), workers)
        parts = stream.batches(0)
        try:
            for start, batch in zip(range(0, len(images), size), parts):
                found = self._on_devices(batch["image"], batch.get("extent"), (self.exit,))
                yield host(found[self.exit])[: len(images) - start]
        finally:
            parts.close()

    def apply(self, params: Any, images: Any, extents: Any = None) -> dict[str, Float[Array, "n _"]]:
        """Pure: images to the representations of every exit. `forward` of `preprocess`."""
        return self.forward(params, self.preprocess(images, extents))

    def preprocess(self, images: Any, extents: Any = None) -> Float[Array, "n size size more"]:
        """Pure: uint8 [n, height, width, channel] to what the network sees, as in the run's evaluation.

        The shorter side is resized to the side of a training view divided by `augment.center_fraction`, the central
        square is cut out and normalised. Images of the view's own size stay as they are.
        """
        return plain(self.recipe, images, extents)

    def forward(self, params: Any, views: Float[Array, "n size size more"]) -> dict[str, Float[Array, "n _"]]:
        """Pure: what `preprocess` returns to the representations of every exit; differentiable in both arguments."""
        return self.method.features(params, self.collections, views)

    @functools.cached_property
    def _mesh(self) -> jax.sharding.Mesh:
        return make_mesh(jax.local_devices())

    @functools.cached_property
    def _copies(self) -> Any:
        """The parameters on all devices."""
        return jax.device_put(self.params, replicated(self._mesh))

    @functools.cached_property
    def _compiled(self):
        def chosen(params, images, extents, exits):
            found = self.apply(params, images, extents)
            return {name: found[name] for name in exits}  # XLA leaves out what only the others need

        return jax.jit(chosen, static_argnames="exits")

    def _on_devices(self, images: Any, extents: Any, exits: tuple[str, ...]) -> dict[str, Array]:
        with jax.set_mesh(self._mesh):
            images, extents = jax.device_put((images, extents), batch_sharding(self._mesh))
            return self._compiled(self._copies, images, extents, exits=exits)

    def _computed(self, images: Images, extents: Extents, exits: tuple[str, ...]) -> dict[str, np.ndarray]:
        images, extents = self._checked(images), None if extents is None else np.asarray(extents, np.int32)
        if not len(images):
            return {name: np.zeros((0, self.dims[name]), np.float32) for name in exits}
        parts = []
        for batch, sizes, kept in batches(images, extents, self._rows_at_once(len(images))):
            found = self._on_devices(batch, sizes, exits)
            parts.append({name: host(x)[:kept] for name, x in found.items()})
        return {name: np.concatenate([part[name] for part in parts]) for name in exits}

    def _rows_at_once(self, count: int) -> int:
        """The batch for so many images: a power of two up to `batch_size`, so that few programs are compiled."""
        devices = self._mesh.size
        return -(-min(self.batch_size, 1 << (count - 1).bit_length()) // devices) * devices

    def _checked(self, images: Images) -> np.ndarray:
        images = np.asarray(images)
        if images.dtype != np.uint8:
            raise InputError(f"images are {images.dtype}: give uint8 pixels from 0 to 255.")
        if images.ndim != 4:
            raise InputError(
                f"images have shape {images.shape}: give [n, height, width, channel]; of one image, image[None]."
            )
        self._check_channels(images.shape[3])
        return images

    def _check_channels(self, channels: int) -> None:
        if channels != self.image_shape[2]:
            raise InputError(
                f"images have {channels} channel{'s' * (channels > 1)}, and this encoder was trained on"
                f" {self.image_shape[2]}: convert them."
            )


@dataclasses.dataclass(frozen=True)
class Consecutive:
    """The rows of batch after batch; past the end, the last row again. Worker processes get a copy."""

    size: int
    count: int

    def __call__(self, step: int) -> Int[np.ndarray, " size"]:
        return np.minimum(np.arange(step * self.size, (step + 1) * self.size), self.count - 1)


def host(x: Array) -> np.ndarray:
    """In float32, whatever the network computes in."""
    return np.asarray(x).astype(np.float32, copy=False)
