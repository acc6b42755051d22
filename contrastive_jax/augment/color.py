"""Color augmentation of one image with values in [0, 1], on the device: jitter and grayscale.

The formulas are torchvision's. Brightness, contrast and saturation blend the image with black, with its mean gray
level and with its gray version: `clip(f * image + (1 - f) * other)`. TensorFlow defines all three differently. The
hue is shifted in HSV.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Key

BRIGHTNESS, CONTRAST, SATURATION = range(3)
LUMA = (0.2989, 0.587, 0.114)  # Rec. 601, with torchvision's four digits

# One [height, width] array per channel. Chains of operations that mix channels stay in this form: on
# [height, width, channel], XLA's fusions recompute all earlier operations for each channel (10x slower on a CPU).
Planes = tuple[Float[Array, "height width"], ...]


class Jitter(NamedTuple):
    """The random draw of one image: slot k applies blend `kind[k]` with `factor[k]`; hue precedes slot `hue_place`."""

    kind: Int[Array, " slot"]
    factor: Float[Array, " slot"]
    hue_shift: Float[Array, ""]
    hue_place: Int[Array, ""]
    applied: Bool[Array, ""]


def color_jitter(
    image: Float[Array, "height width channel"],
    key: Key[Array, ""],
    *,
    brightness: float,
    contrast: float,
    saturation: float,
    hue: float,
    probability: float,
) -> Float[Array, "height width channel"]:
    """Jitters brightness, contrast, saturation and hue in random order, with the given probability.

    A factor is uniform in [max(0, 1 - strength), 1 + strength], the hue shift in [-hue, hue] turns. Saturation and
    hue do nothing to an image of one channel and are skipped.
    """
    if image.shape[-1] == 1:
        saturation = hue = 0.0
    if probability == 0 or not any((brightness, contrast, saturation, hue)):
        return image
    draw = draw_jitter(key, (brightness, contrast, saturation), hue, probability)
    planes = to_planes(image)
    jittered = lax.platform_dependent(
        planes,
        draw,
        cpu=partial(one_by_one, has_hue=hue > 0),
        default=partial(in_two_passes, has_hue=hue > 0),
    )
    return where(draw.applied, jittered, planes)


# One program serves every order of the four operations and runs the expensive one, the hue shift, once: all blends,
# the hue shift, all blends again. In each of the two rounds, a blend that belongs to the other one gets factor 1,
# which is the identity.


def one_by_one(planes: Planes, draw: Jitter, *, has_hue: bool) -> Planes:
    """Runs the operations one after another and stores each result: fastest on a CPU (see `stored.py`)."""

    def slot(planes, kind_and_factor):
        return blend(planes, *kind_and_factor), None

    for number, factor in enumerate(_factors(draw, has_hue)):
        if number:
            planes = shift_hue(planes, draw.hue_shift)
        planes, _ = lax.scan(slot, planes, (draw.kind, factor))
    return planes


def in_two_passes(planes: Planes, draw: Jitter, *, has_hue: bool) -> Planes:
    """The same with less memory traffic: fastest on a GPU.

    Only the contrast needs more than the pixel itself: the mean gray level at its turn. A first pass runs up to that
    turn and stores only the mean; the second pass does everything.
    """
    slot = jnp.arange(draw.kind.shape[0])
    turn = jnp.sum(jnp.where(draw.kind == CONTRAST, slot, 0))
    before = slot < turn
    stopped = draw._replace(
        factor=jnp.where(before, draw.factor, 1.0),
        hue_shift=jnp.where(draw.hue_place <= turn, draw.hue_shift, 0.0),
    )
    mean = jnp.mean(luma(_pass(planes, stopped, 0.0, has_hue)))
    return _pass(planes, draw, mean, has_hue)


def _pass(planes: Planes, draw: Jitter, mean: Float[Array, ""] | float, has_hue: bool) -> Planes:
    for number, factor in enumerate(_factors(draw, has_hue)):
        if number:
            planes = shift_hue(planes, draw.hue_shift)
        for k in range(draw.kind.shape[0]):
            planes = blend(planes, draw.kind[k], factor[k], mean)
    return planes


def _factors(draw: Jitter, has_hue: bool) -> list[Float[Array, " slot"]]:
    """The factors of the slots before and after the hue shift."""
    if not has_hue:
        return [draw.factor]
    early = jnp.arange(draw.kind.shape[0]) < draw.hue_place
    return [jnp.where(early, draw.factor, 1.0), jnp.where(early, 1.0, draw.factor)]


def draw_jitter(
    key: Key[Array, ""], strengths: tuple[float, float, float], hue: float, probability: float
) -> Jitter:
    """Draws the factors, the order and whether to apply the jitter at all; blends of strength 0 get no slot."""
    kinds = np.flatnonzero(strengths)
    n = len(kinds)
    uniform = jax.random.uniform(key, (2 * n + 3,))
    strength = np.asarray(strengths, np.float32)[kinds]
    low, high = np.maximum(0.0, 1.0 - strength), 1.0 + strength
    factor = low + (high - low) * uniform[:n]
    place = uniform[n : 2 * n]
    # Sort by place. For three numbers, counting is cheaper than a sort, which is a separate kernel.
    rank = jnp.sum(place[None, :] < place[:, None], axis=1)
    slot = rank[None, :] == jnp.arange(n)[:, None]
    return Jitter(
        kind=jnp.sum(jnp.where(slot, kinds[None, :], 0), axis=1),
        factor=jnp.sum(jnp.where(slot, factor[None, :], 0.0), axis=1),
        hue_shift=hue * (2.0 * uniform[-3] - 1.0),
        hue_place=jnp.sum(place < uniform[-2]),
        applied=uniform[-1] < probability,
    )


def blend(
    planes: Planes,
    kind: Int[Array, ""] | int,
    factor: Float[Array, ""] | float,
    mean: Float[Array, ""] | float | None = None,
) -> Planes:
    """`clip(factor * image + (1 - factor) * other)`; `other` is black, the mean gray level or the gray image."""
    gray = luma(planes)
    other = jnp.where(kind == CONTRAST, jnp.mean(gray) if mean is None else mean, gray)
    other = jnp.where(kind == BRIGHTNESS, 0.0, other)
    return tuple(jnp.clip(factor * plane + (1.0 - factor) * other, 0.0, 1.0) for plane in planes)


def shift_hue(planes: Planes, turns: Float[Array, ""] | float) -> Planes:
    """Shifts the hue by a fraction of the full circle and keeps HSV's saturation and value."""
    hue, saturation, value = to_hsv(planes)
    # Clipped as one array: this decides how XLA fuses, and so rounds, the arithmetic.
    return tuple(jnp.clip(jnp.stack(from_hsv((hue + turns) % 1.0, saturation, value)), 0.0, 1.0))


def to_hsv(planes: Planes) -> Planes:
    """RGB in [0, 1] to hue, saturation and value in [0, 1] (Smith 1978). Gray has hue 0; black has saturation 0."""
    red, green, blue = planes
    value = jnp.maximum(jnp.maximum(red, green), blue)
    chroma = value - jnp.minimum(jnp.minimum(red, green), blue)
    saturation = chroma / jnp.where(value > 0, value, 1.0)
    # The largest channel selects a third of the circle; the difference of the other two is the offset from its middle.
    per_chroma = 1.0 / (6.0 * jnp.where(chroma > 0, chroma, 1.0))
    around_green = per_chroma * (blue - red) + 2 / 6
    around_blue = per_chroma * (red - green) + 4 / 6
    hue = jnp.where(value == green, around_green, around_blue)
    hue = jnp.where(value == red, per_chroma * (green - blue), hue)
    return hue + (hue < 0.0), saturation, value


def from_hsv(
    hue: Float[Array, "height width"],
    saturation: Float[Array, "height width"],
    value: Float[Array, "height width"],
) -> Planes:
    """Hue, saturation and value in [0, 1] to RGB in [0, 1]."""
    sixths = 6.0 * hue
    pure = (jnp.abs(sixths - 3.0) - 1.0, 2.0 - jnp.abs(sixths - 2.0), 2.0 - jnp.abs(sixths - 4.0))
    gray = 1.0 - saturation
    return tuple(value * (gray + saturation * jnp.clip(channel, 0.0, 1.0)) for channel in pure)


def random_grayscale(
    image: Float[Array, "height width channel"], key: Key[Array, ""], *, probability: float
) -> Float[Array, "height width channel"]:
    """Sets all channels to the luma, with the given probability."""
    if probability == 0 or image.shape[-1] == 1:
        return image
    planes = to_planes(image)
    return where(jax.random.bernoulli(key, probability), (luma(planes),) * len(planes), planes)


def where(applied: Bool[Array, ""], planes: Planes, others: Planes) -> Float[Array, "height width channel"]:
    """`planes` if applied, else `others`, as one image. Selects per plane, so the next operation can split it again."""
    return jnp.stack([jnp.where(applied, *pair) for pair in zip(planes, others, strict=True)], axis=-1)


def luma(planes: Planes) -> Float[Array, "height width"]:
    """Rec. 601 luma; the single channel of a gray image is its luma."""
    if len(planes) == 1:
        return planes[0]
    # Not a matrix product: by default TPUs would keep only 8 bits of it.
    red, green, blue = planes
    return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue


def to_planes(image: Float[Array, "height width channel"]) -> Planes:
    """One array per channel."""
    return tuple(image[..., c] for c in range(image.shape[-1]))
