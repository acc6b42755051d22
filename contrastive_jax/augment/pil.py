"""The operations of AutoAugment and RandAugment on one uint8 image, with PIL's arithmetic, on the device.

Under `vmap`, a switch over sixteen operations would run all sixteen for every image. But each operation is one of
three things: a gather of pixels from elsewhere, a table of 256 values per channel, or a blend with another image. So
every image goes through one gather, one table and one blend; those that its operation does not use are the identity.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt8

from contrastive_jax.augment.stored import stored

# fmt: off
OPERATIONS = (
    "identity", "shear_x", "shear_y", "translate_x", "translate_y", "rotate", "cutout",
    "brightness", "contrast", "posterize", "solarize", "solarize_add", "invert", "autocontrast", "equalize",
    "color", "sharpness",
)
# fmt: on
NUMBER = {name: number for number, name in enumerate(OPERATIONS)}
LEVELS = 256
FIXED = 1 << 16  # PIL's affine maps have 16 fractional bits


class Operation(NamedTuple):
    """The operation of one image.

    kind: its number in `OPERATIONS`.
    amount: the slope of a shear, the pixels of a translation, the degrees of `rotate`, half the side of `cutout` in
      pixels, the factor of brightness, contrast, color and sharpness, the bits that `posterize` keeps, the
      threshold of `solarize`, the gray value of `solarize_add`.
    centre: of the cutout, in [0, 1).
    """

    kind: Int[Array, ""]
    amount: Float[Array, ""]
    centre: Float[Array, "2"]


def apply(
    image: UInt8[Array, "height width channel"], operation: Operation, fill: int
) -> UInt8[Array, "height width channel"]:
    """Applies the operation as PIL does (nearest neighbour); pixels from outside the image are `fill`."""
    table = stored(tables(image, operation).reshape(8, -1)).reshape(-1)
    levels = stored(move(image, operation, fill)).astype(jnp.int32)
    channel = jnp.arange(image.shape[-1])[None, None, :]
    mapped = table.at[channel * LEVELS + levels].get(mode="promise_in_bounds")
    blended = blend(levels, operation)
    is_blend = (operation.kind == NUMBER["color"]) | (operation.kind == NUMBER["sharpness"])
    return jnp.where(is_blend, blended, mapped).astype(jnp.uint8)


def move(
    image: UInt8[Array, "height width channel"], operation: Operation, fill: int
) -> UInt8[Array, "height width channel"]:
    """Shear, translation, rotation or cutout: one gather and one mask."""
    height, width, channels = image.shape
    row = jax.lax.broadcasted_iota(jnp.int32, (height, width), 0)
    column = jax.lax.broadcasted_iota(jnp.int32, (height, width), 1)
    a, b, c, d, e, f = (
        jnp.floor(value * FIXED + 0.5).astype(jnp.int32) for value in matrix(operation, height, width)
    )
    from_column, from_row = (c + column * a + row * b) >> 16, (f + column * d + row * e) >> 16
    inside = (from_row >= 0) & (from_row < height) & (from_column >= 0) & (from_column < width)
    inside &= ~hole(operation, row, column)
    place = jnp.where(inside, from_row * width + from_column, 0)
    found = image.reshape(-1, channels).at[place].get(mode="promise_in_bounds")
    return jnp.where(inside[..., None], found, jnp.uint8(fill))


def matrix(operation: Operation, height: int, width: int) -> tuple[Float[Array, ""], ...]:
    """`column' = a column + b row + c`, `row' = d column + e row + f`, between centres of pixels."""

    def amount_of(name):
        return jnp.where(operation.kind == NUMBER[name], operation.amount, 0.0)

    angle = jnp.deg2rad(amount_of("rotate"))
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    a, b = cos, amount_of("shear_x") - sin
    d, e = amount_of("shear_y") + sin, cos
    # A shear keeps the corner of the image in place, a rotation its centre. The origin is the first pixel's corner.
    x, y = width / 2, height / 2
    c = x - cos * x + sin * y - amount_of("translate_x") + (a + b) / 2
    f = y - sin * x - cos * y - amount_of("translate_y") + (d + e) / 2
    return a, b, c, d, e, f


def hole(
    operation: Operation, row: Int[Array, "height width"], column: Int[Array, "height width"]
) -> Bool[Array, "height width"]:
    """True inside the square of a cutout."""
    height, width = row.shape
    half = jnp.where(operation.kind == NUMBER["cutout"], operation.amount, 0.0).astype(jnp.int32)
    size = jnp.array([height, width])
    top, left = jnp.floor(operation.centre * size).astype(jnp.int32) - half
    side = 2 * half
    return (row >= top) & (row < top + side) & (column >= left) & (column < left + side)


def tables(image: UInt8[Array, "height width channel"], operation: Operation) -> Int[Array, "channel 256"]:
    """The new value of every level, per channel."""
    level = jnp.arange(LEVELS, dtype=jnp.int32)[None, :]
    kind, amount = operation.kind, operation.amount
    mean = jnp.floor(jnp.mean(luma(image.astype(jnp.int32)).astype(jnp.float32)) + 0.5)
    step = jnp.exp2(8 - jnp.where(kind == NUMBER["posterize"], amount, 8.0)).astype(jnp.int32)
    lightened = jnp.clip(
        level + jnp.where(kind == NUMBER["solarize_add"], amount, 0.0).astype(jnp.int32), 0, 255
    )
    stretched, flattened = from_histogram(histogram(image), level)
    choices = {
        "brightness": _mixed(0.0, level, amount),
        "contrast": _mixed(mean, level, amount),
        "posterize": level // step * step,
        "solarize": jnp.where(level < amount, level, 255 - level),
        "solarize_add": jnp.where(level < 128, lightened, level),
        "invert": 255 - level,
        "autocontrast": stretched,
        "equalize": flattened,
    }
    table = level
    for name, values in choices.items():
        table = jnp.where(kind == NUMBER[name], values, table)
    return jnp.broadcast_to(table, (image.shape[-1], LEVELS))


def histogram(image: UInt8[Array, "height width channel"]) -> Int[Array, "channel 256"]:
    """The number of pixels at each level, per channel."""
    channels = image.shape[-1]
    place = jnp.arange(channels)[None, None, :] * LEVELS + image.astype(jnp.int32)
    counts = jnp.zeros(channels * LEVELS, jnp.int32).at[place.reshape(-1)].add(1, mode="promise_in_bounds")
    return counts.reshape(channels, LEVELS)


def from_histogram(
    counts: Int[Array, "channel 256"], level: Int[Array, "1 256"]
) -> tuple[Int[Array, "channel 256"], Int[Array, "channel 256"]]:
    """The tables of autocontrast and equalize; the identity for a channel with a single level."""
    present = counts > 0
    low = jnp.min(jnp.where(present, level, 255), axis=1, keepdims=True)
    high = jnp.max(jnp.where(present, level, 0), axis=1, keepdims=True)
    stretched = jnp.clip((level - low) * 255 // jnp.maximum(high - low, 1), 0, 255)
    at_high = jnp.sum(jnp.where(level == high, counts, 0), axis=1, keepdims=True)
    step = (jnp.sum(counts, axis=1, keepdims=True) - at_high) // 255
    # The sum over all lower levels as a matrix product: exact, as counts are below 2^24.
    lower = jnp.tri(LEVELS, k=-1)
    below = jnp.einsum("cl,kl->ck", counts.astype(jnp.float32), lower, precision=jax.lax.Precision.HIGHEST)
    flattened = jnp.minimum((step // 2 + below.astype(jnp.int32)) // jnp.maximum(step, 1), 255)
    return jnp.where(high > low, stretched, level), jnp.where(step > 0, flattened, level)


def blend(
    levels: Int[Array, "height width channel"], operation: Operation
) -> Int[Array, "height width channel"]:
    """Color or sharpness: towards or away from the gray or the smoothed image."""
    is_color = operation.kind == NUMBER["color"]
    other = jnp.where(is_color, luma(levels)[..., None], smooth(levels))
    return _mixed(other.astype(jnp.float32), levels, operation.amount)


def luma(levels: Int[Array, "height width channel"]) -> Int[Array, "height width"]:
    """PIL's conversion to gray, Rec. 601 in 16 bits."""
    if levels.shape[-1] == 1:
        return levels[..., 0]
    red, green, blue = (levels[..., c] for c in range(3))
    return (19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16


def smooth(levels: Int[Array, "height width channel"]) -> Int[Array, "height width channel"]:
    """PIL's SMOOTH filter: a 3x3 mean with weight 5 at the centre; border pixels keep their value."""
    if min(levels.shape[:2]) < 3:
        return levels
    three = levels[:-2] + levels[1:-1] + levels[2:]
    inner = three[:, :-2] + three[:, 1:-1] + three[:, 2:] + 4 * levels[1:-1, 1:-1]
    rounded = (2 * inner + 13) // 26
    return levels.at[1:-1, 1:-1].set(rounded)


def _mixed(other: Float[Array, "..."] | float, levels: Int[Array, "..."], factor: Float[Array, ""]):
    """PIL's blend, rounded down to whole levels: `other + factor * (image - other)`."""
    return jnp.floor(jnp.clip(other + factor * (levels - other), 0.0, 255.0)).astype(jnp.int32)
