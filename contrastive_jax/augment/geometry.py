"""Where a pixel comes from: crops, resizing and flips of one image, on the device.

Resizing is two small matrix products (rows, then columns). That is fast on a matrix unit and on a CPU alike,
takes a crop that is only known at run time, and is exact at the crop's border: like cropping first and
resizing after, it never reads a pixel outside the crop.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

CROP_CANDIDATES = 10  # torchvision's number of tries before it falls back to the centre


class Box(NamedTuple):
    """A rectangle of whole pixels, in pixels; the four are floats so that they can be traced or plain."""

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
) -> Float[Array, "size size channel"]:
    """Crop of a random share of the area (in `scale`) and aspect ratio (in `ratio`), resized to a square."""
    height, width, _ = image.shape
    if scale == ratio == (1.0, 1.0) and height == width == size:
        return image
    box = random_box(key, height, width, scale=scale, ratio=ratio)
    return resize_box(image, box, size=size, interpolation=interpolation, antialias=antialias)


def random_box(
    key: Key[Array, ""], height: int, width: int, *, scale: tuple[float, float], ratio: tuple[float, float]
) -> Box:
    """The box of torchvision's RandomResizedCrop: uniform in area, log-uniform in aspect ratio.

    Of ten candidates the first that fits into the image is taken; if none fits, the largest centred box whose
    aspect ratio is allowed.
    """
    drawn, fits = draw_box(key, height, width, scale=scale, ratio=ratio)
    centre = centred_box(height, width, ratio=ratio)
    return Box(*(jnp.where(fits, a, b) for a, b in zip(drawn, centre)))


def draw_box(
    key: Key[Array, ""],
    height: int,
    width: int,
    *,
    scale: tuple[float, float],
    ratio: tuple[float, float],
    smaller: bool = False,
) -> tuple[Box, Bool[Array, ""]]:
    """The first of ten candidates that fits into the image, at a uniform place, and whether one fits.

    smaller: both its sides must be smaller than the image's.
    """
    uniform = jax.random.uniform(key, (2 * CROP_CANDIDATES + 2,))
    area = height * width * (scale[0] + (scale[1] - scale[0]) * uniform[:CROP_CANDIDATES])
    log_ratio = (math.log(ratio[0]), math.log(ratio[1]))
    aspect = jnp.exp(log_ratio[0] + (log_ratio[1] - log_ratio[0]) * uniform[CROP_CANDIDATES:-2])
    heights, widths = jnp.round(jnp.sqrt(area / aspect)), jnp.round(jnp.sqrt(area * aspect))
    largest = (height - smaller, width - smaller)
    fits = (heights >= 1) & (heights <= largest[0]) & (widths >= 1) & (widths <= largest[1])
    tall, wide = heights[0], widths[0]
    for k in reversed(range(CROP_CANDIDATES)):  # plain selections, which need no kernels of their own
        tall, wide = jnp.where(fits[k], heights[k], tall), jnp.where(fits[k], widths[k], wide)
    # floor(u * n) is uniform over 0..n-1, for u < 1 never n.
    top = jnp.floor(uniform[-2] * (height - tall + 1))
    left = jnp.floor(uniform[-1] * (width - wide + 1))
    return Box(top, left, tall, wide), jnp.any(fits)


def centred_box(height: int, width: int, *, ratio: tuple[float, float], fraction: float = 1.0) -> Box:
    """The largest centred box with width / height within `ratio`, its sides then shrunk to `fraction`."""
    box_width = min(width, height * ratio[1])
    box_height = min(height, width / ratio[0])
    box_height, box_width = max(1, round(box_height * fraction)), max(1, round(box_width * fraction))
    top, left = (height - box_height) // 2, (width - box_width) // 2
    return Box(float(top), float(left), float(box_height), float(box_width))


def resize_box(
    image: Float[Array, "height width channel"],
    box: Box,
    *,
    size: int,
    interpolation: str,
    antialias: bool,
) -> Float[Array, "size size channel"]:
    """The box of the image resized to `size` x `size`, as if cut out before (PIL's resampling in float32)."""
    height, width, _ = image.shape
    kernel = INTERPOLATIONS[interpolation]
    rows = resampling_matrix(kernel, box.top, box.height, height, size, antialias)
    columns = resampling_matrix(kernel, box.left, box.width, width, size, antialias)
    return jnp.clip(weigh(image, rows, columns), 0.0, 1.0)  # bicubic overshoots


def weigh(
    image: Float[Array, "height width channel"],
    rows: Float[Array, "tall height"],
    columns: Float[Array, "wide width"],
) -> Float[Array, "tall wide channel"]:
    """Every new row a weighted sum of rows, every new column one of columns.

    Both products contract the leading axis of the image, so that neither needs it transposed; the channels end up
    as planes, which is what operations on colors read.
    """
    # Full float32: the default of TPUs and tensor cores would keep fewer bits than the image has.
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
) -> Float[Array, "n_out n_in"]:
    """Weights that resize the pixels [start, start + length) of a line of `n_in` to `n_out` pixels.

    Output pixel i looks at start + (i + 1/2) length / n_out. Weights outside the interval are zero, each row
    sums to 1 (so the border repeats), and when shrinking with `antialias` the kernel widens by the scale.
    """
    step = length / n_out
    widening = jnp.maximum(step, 1.0) if antialias else jnp.ones(())
    centre = start + (jnp.arange(n_out) + 0.5) * step
    pixel = jnp.arange(n_in) + 0.5
    distance = (pixel[None, :] - centre[:, None]) / widening
    inside = (pixel > start) & (pixel < start + length)
    weight = jnp.where(inside[None, :], kernel(distance), 0.0)
    return weight / jnp.sum(weight, axis=1, keepdims=True)


def triangle(x: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """The kernel of linear interpolation."""
    return jnp.maximum(0.0, 1.0 - jnp.abs(x))


def cubic(x: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Keys' cubic convolution kernel with a = -1/2 (as PIL, torchvision with antialias and jax.image)."""
    x = jnp.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return jnp.where(x < 1.0, near, jnp.where(x < 2.0, far, 0.0))


INTERPOLATIONS: dict[str, Callable] = {"bilinear": triangle, "bicubic": cubic}


def padding_crop(
    image: Float[Array, "height width channel"], key: Key[Array, ""], *, pad: int
) -> Float[Array, "height width channel"]:
    """A crop of the image's own size, out of the image with `pad` black pixels added on each side."""
    if pad == 0:
        return image
    offset = jax.random.randint(key, (2,), 0, 2 * pad + 1)
    padded = jnp.pad(image, ((pad, pad), (pad, pad), (0, 0)))
    return jax.lax.dynamic_slice(padded, (offset[0], offset[1], 0), image.shape)


def random_flip(
    image: Float[Array, "height width channel"], key: Key[Array, ""], *, probability: float
) -> Float[Array, "height width channel"]:
    """The image, mirrored left to right with the given probability."""
    if probability == 0:
        return image
    return jnp.where(jax.random.bernoulli(key, probability), image[:, ::-1], image)
