"""Crops, resizing and flips of one image, on the device.

Resizing is two small matrix products (rows, then columns). They are fast on matrix units and on CPUs, allow a crop
that is only known at run time, and are exact at the crop's border: as if the crop had been cut out first, no pixel
outside it is read.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

CROP_CANDIDATES = 10  # torchvision's number of attempts before it falls back to the centre


Pixels = int | Int[Array, ""]
"""A height or width: known when compiling, or different for every picture."""
Extent = Int[Array, "2"] | None
"""Height and width of a picture that fills the top left corner of an image; None: it fills the whole image."""


class Box(NamedTuple):
    """A rectangle in pixels, stored as floats that may be traced."""

    top: Float[Array, ""] | float
    left: Float[Array, ""] | float
    height: Float[Array, ""] | float
    width: Float[Array, ""] | float


def resized_crop(
    image: Float[Array, "height width channel"],
    key: Key[Array, ""],
    *,
    size: int,
    scale: tuple[float, float],
    ratio: tuple[float, float],
    interpolation: str = "bilinear",
    antialias: bool = True,
    extent: Extent = None,
) -> Float[Array, "size size channel"]:
    """Crops a random fraction of the picture's area (in `scale`), of random aspect ratio, and resizes it to a square.

    Args:
      ratio: range of the crop's width / height.
      interpolation: a key of `INTERPOLATIONS`.
      antialias: widen the kernel when shrinking, as PIL does.
    """
    height, width = image.shape[:2] if extent is None else extent
    if extent is None and scale == ratio == (1.0, 1.0) and height == width == size:
        return image
    box = random_box(key, height, width, scale=scale, ratio=ratio)
    return resize_box(image, box, size=size, interpolation=interpolation, antialias=antialias)


def random_box(
    key: Key[Array, ""],
    height: Pixels,
    width: Pixels,
    *,
    scale: tuple[float, float],
    ratio: tuple[float, float],
) -> Box:
    """The box of torchvision's RandomResizedCrop in whole pixels: uniform in area, log-uniform in aspect ratio.

    It is the first of ten candidates that fits into the image; if none fits, it is the largest centred box whose
    aspect ratio is allowed.
    """
    drawn, fits = draw_box(key, height, width, scale=scale, ratio=ratio)
    centre = centred_box(height, width, ratio=ratio)
    return Box(*(jnp.where(fits, a, b) for a, b in zip(drawn, centre)))


def draw_box(
    key: Key[Array, ""],
    height: Pixels,
    width: Pixels,
    *,
    scale: tuple[float, float],
    ratio: tuple[float, float],
    smaller: bool = False,
) -> tuple[Box, Bool[Array, ""]]:
    """Draws ten candidates; returns the first that fits into the image, at a uniform position, and whether one fits.

    Args:
      smaller: a box fits only if both its sides are smaller than the image's.
    """
    uniform = jax.random.uniform(key, (2 * CROP_CANDIDATES + 2,))
    area = height * width * (scale[0] + (scale[1] - scale[0]) * uniform[:CROP_CANDIDATES])
    log_ratio = (math.log(ratio[0]), math.log(ratio[1]))
    aspect = jnp.exp(log_ratio[0] + (log_ratio[1] - log_ratio[0]) * uniform[CROP_CANDIDATES:-2])
    heights, widths = jnp.round(jnp.sqrt(area / aspect)), jnp.round(jnp.sqrt(area * aspect))
    largest = (height - smaller, width - smaller)
    fits = (heights >= 1) & (heights <= largest[0]) & (widths >= 1) & (widths <= largest[1])
    tall, wide = heights[0], widths[0]
    for k in reversed(range(CROP_CANDIDATES)):  # selections fuse; an argmax would be a separate kernel
        tall, wide = jnp.where(fits[k], heights[k], tall), jnp.where(fits[k], widths[k], wide)
    # floor(u * n) is uniform over 0..n-1; it is never n, as u < 1.
    top = jnp.floor(uniform[-2] * (height - tall + 1))
    left = jnp.floor(uniform[-1] * (width - wide + 1))
    return Box(top, left, tall, wide), jnp.any(fits)


def centred_box(height: Pixels, width: Pixels, *, ratio: tuple[float, float]) -> Box:
    """The largest centred box in whole pixels with width / height within `ratio`."""
    xp = _arithmetic(height)
    tall = xp.maximum(1.0, xp.round(xp.minimum(height, width / ratio[0])))
    wide = xp.maximum(1.0, xp.round(xp.minimum(width, height * ratio[1])))
    return _box(xp.floor((height - tall) / 2), xp.floor((width - wide) / 2), tall, wide)


def evaluation_crop(
    image: Float[Array, "height width channel"],
    *,
    size: int,
    fraction: float,
    interpolation: str,
    antialias: bool,
    extent: Extent = None,
) -> Float[Array, "size size channel"]:
    """Resizes the picture's shorter side to `size / fraction` and cuts out the central `size` x `size`, in one.

    As torchvision's Resize and CenterCrop do: the longer side is rounded down, the crop starts at a whole pixel of the
    resized picture, and its border is interpolated from pixels on both sides.
    """
    height, width = image.shape[:2] if extent is None else extent
    xp = _arithmetic(height)
    shorter = xp.minimum(height, width)
    resized = round(size / fraction)
    tall, wide = height * resized // shorter, width * resized // shorter
    top, left = xp.round((tall - size) / 2), xp.round((wide - size) / 2)
    down, across = height / tall, width / wide  # pixels of the picture per pixel of the resized one
    box = _box(top * down, left * across, size * down, size * across)
    picture = _box(0, 0, height, width)
    return resize_box(image, box, size=size, interpolation=interpolation, antialias=antialias, within=picture)


def resize_box(
    image: Float[Array, "height width channel"],
    box: Box,
    *,
    size: int,
    interpolation: str,
    antialias: bool,
    within: Box | None = None,
) -> Float[Array, "size size channel"]:
    """Resizes the box to `size` x `size` as if `within` had been cut out first (PIL's resampling in float32).

    Args:
      within: what may be read, by default only the box itself.
    """
    height, width, _ = image.shape
    kernel, read = INTERPOLATIONS[interpolation], within or box
    rows, columns = (
        resampling_matrix(kernel, start, length, n_in, size, antialias, within=limits)
        for start, length, n_in, limits in (
            (box.top, box.height, height, (read.top, read.height)),
            (box.left, box.width, width, (read.left, read.width)),
        )
    )
    return jnp.clip(weigh(image, rows, columns), 0.0, 1.0)  # bicubic overshoots


def weigh(
    image: Float[Array, "height width channel"],
    rows: Float[Array, "tall height"],
    columns: Float[Array, "wide width"],
) -> Float[Array, "tall wide channel"]:
    """Each new row is a weighted sum of rows, each new column a weighted sum of columns.

    Both products contract the leading axis, so neither needs a transpose, and the channels end up as planes, the
    layout that the color operations read.
    """
    # Full float32: by default TPUs and tensor cores would keep fewer bits than the image has.
    highest = jax.lax.Precision.HIGHEST
    turned = jnp.einsum("hwc,yh->wcy", image, rows, precision=highest)
    planes = jnp.einsum("wcy,xw->cyx", turned, columns, precision=highest)
    return jnp.moveaxis(planes, 0, -1)


def resampling_matrix(
    kernel: Callable,
    start: Float[Array, ""] | float,
    length: Float[Array, ""] | float,
    n_in: int,
    n_out: int,
    antialias: bool,
    within: tuple[Float[Array, ""] | float, Float[Array, ""] | float] | None = None,
) -> Float[Array, "n_out n_in"]:
    """Weights that resize the pixels [start, start + length) of a line of `n_in` to `n_out` pixels.

    Output pixel i is centred at start + (i + 1/2) length / n_out. Weights outside `within` (start and length; by
    default this interval) are zero and each row sums to 1, so the border repeats. When shrinking with `antialias`, the
    kernel widens by the scale.
    """
    first, count = within or (start, length)
    step = length / n_out
    widening = jnp.maximum(step, 1.0) if antialias else jnp.ones(())
    centre = start + (jnp.arange(n_out) + 0.5) * step
    pixel = jnp.arange(n_in) + 0.5
    distance = (pixel[None, :] - centre[:, None]) / widening
    inside = (pixel > first) & (pixel < first + count)
    weight = jnp.where(inside[None, :], kernel(distance), 0.0)
    return weight / jnp.sum(weight, axis=1, keepdims=True)


def triangle(x: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """The kernel of linear interpolation."""
    return jnp.maximum(0.0, 1.0 - jnp.abs(x))


def cubic(x: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Keys' cubic convolution kernel with a = -1/2 (as in PIL, jax.image and torchvision with antialias)."""
    x = jnp.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return jnp.where(x < 1.0, near, jnp.where(x < 2.0, far, 0.0))


INTERPOLATIONS: dict[str, Callable] = {"bilinear": triangle, "bicubic": cubic}


def padding_crop(
    image: Float[Array, "height width channel"], key: Key[Array, ""], *, pad: int
) -> Float[Array, "height width channel"]:
    """Pads the image with `pad` black pixels on each side and takes a random crop of the original size."""
    if pad == 0:
        return image
    offset = jax.random.randint(key, (2,), 0, 2 * pad + 1)
    padded = jnp.pad(image, ((pad, pad), (pad, pad), (0, 0)))
    return jax.lax.dynamic_slice(padded, (offset[0], offset[1], 0), image.shape)


def random_flip(
    image: Float[Array, "height width channel"], key: Key[Array, ""], *, probability: float
) -> Float[Array, "height width channel"]:
    """Mirrors the image left to right, with the given probability."""
    if probability == 0:
        return image
    return jnp.where(jax.random.bernoulli(key, probability), image[:, ::-1], image)


def _arithmetic(pixels: Pixels) -> Any:
    """The module that computes with them: NumPy while compiling, so that a known size stays a constant."""
    return jnp if isinstance(pixels, jax.Array) else np


def _box(*sides: Any) -> Box:
    """The box with these sides; known ones become constants of the program."""
    return Box(*(side.astype(float) if isinstance(side, jax.Array) else float(side) for side in sides))
