"""Color augmentation of one image with values in [0, 1], on the device: jitter and grayscale.

The formulas are torchvision's. Brightness, contrast and saturation all blend the image with another one
(black, its mean gray level, its gray version): `clip(f * image + (1 - f) * other)`. dm-pix gives the hue; its
brightness, contrast and saturation follow TensorFlow's, which are other functions.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from dm_pix import adjust_hue
from jaxtyping import Array, Bool, Float, Int, Key

BRIGHTNESS, CONTRAST, SATURATION = range(3)
LUMA = (0.2989, 0.587, 0.114)  # Rec. 601, with torchvision's four digits

# One [height, width] array per channel. Chains of operations that mix channels are kept in this form: on
# [height, width, channel] XLA's fusions compute every earlier operation again for each channel (10x slower
# on a CPU).
Planes = tuple[Float[Array, "height width"], ...]


class Jitter(NamedTuple):
    """One image's draw: slot k applies blend `kind[k]` with `factor[k]`; hue precedes slot `hue_place`."""

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
    """Brightness, contrast, saturation and hue by random factors in random order, with the given probability.

    A factor is uniform in [max(0, 1 - strength), 1 + strength], the hue shift in [-hue, hue] turns. On one
    channel, saturation and hue change nothing and are left out.
    """
    if image.shape[-1] == 1:
        saturation = hue = 0.0
    if probability == 0 or not any((brightness, contrast, saturation, hue)):
        return image
    draw = draw_jitter(key, (brightness, contrast, saturation), hue, probability)
    # Any order of four operations, one of them dear: the blends in their order up to the hue's place, the hue
    # once, the rest of the blends. A blend on the wrong side of the hue gets factor 1, which is the identity.
    planes = to_planes(image)
    if hue > 0:
        early = jnp.arange(len(draw.factor)) < draw.hue_place
        planes = blend_all(planes, draw.kind, jnp.where(early, draw.factor, 1.0))
        planes = shift_hue(planes, draw.hue_shift)
        planes = blend_all(planes, draw.kind, jnp.where(early, 1.0, draw.factor))
    else:
        planes = blend_all(planes, draw.kind, draw.factor)
    return jnp.where(draw.applied, jnp.stack(planes, axis=-1), image)


def draw_jitter(
    key: Key[Array, ""], strengths: tuple[float, float, float], hue: float, probability: float
) -> Jitter:
    """Factors, order and whether to apply them at all; blends of strength 0 get no slot."""
    kinds = np.flatnonzero(strengths)
    n = len(kinds)
    uniform = jax.random.uniform(key, (2 * n + 3,))
    strength = np.asarray(strengths, np.float32)[kinds]
    low, high = np.maximum(0.0, 1.0 - strength), 1.0 + strength
    factor = low + (high - low) * uniform[:n]
    place = uniform[n : 2 * n]
    order = jnp.argsort(place)
    return Jitter(
        kind=jnp.asarray(kinds)[order],
        factor=factor[order],
        hue_shift=hue * (2.0 * uniform[-3] - 1.0),
        hue_place=jnp.sum(place < uniform[-2]),
        applied=uniform[-1] < probability,
    )


def blend_all(planes: Planes, kind: Int[Array, " slot"], factor: Float[Array, " slot"]) -> Planes:
    """The blends of all slots, one after the other."""

    def slot(planes, kind_and_factor):
        return blend(planes, *kind_and_factor), None

    return jax.lax.scan(slot, planes, (kind, factor))[0]


def blend(planes: Planes, kind: Int[Array, ""] | int, factor: Float[Array, ""] | float) -> Planes:
    """`clip(factor * image + (1 - factor) * other)`, other = black, the mean gray level or the gray image."""
    gray = luma(planes)
    other = jnp.where(kind == CONTRAST, jnp.mean(gray, keepdims=True), gray)
    other = jnp.where(kind == BRIGHTNESS, 0.0, other)
    return tuple(jnp.clip(factor * plane + (1.0 - factor) * other, 0.0, 1.0) for plane in planes)


def shift_hue(planes: Planes, turns: Float[Array, ""] | float) -> Planes:
    """The hue turned by a share of the full circle."""
    turned = adjust_hue(jnp.stack(planes), turns, channel_axis=0)
    return tuple(jnp.clip(turned, 0.0, 1.0))


def random_grayscale(
    image: Float[Array, "height width channel"], key: Key[Array, ""], *, probability: float
) -> Float[Array, "height width channel"]:
    """The image without its color (all channels equal to the luma), with the given probability."""
    if probability == 0 or image.shape[-1] == 1:
        return image
    gray = luma(to_planes(image))[..., None]
    return jnp.where(jax.random.bernoulli(key, probability), gray, image)


def luma(planes: Planes) -> Float[Array, "height width"]:
    """Rec. 601 luma; an image of one channel is its own."""
    if len(planes) == 1:
        return planes[0]
    # dm_pix.rgb_to_grayscale is a matrix product, of which TPUs keep 8 bits by default.
    red, green, blue = planes
    return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue


def to_planes(image: Float[Array, "height width channel"]) -> Planes:
    """The image's channels, one array each."""
    return tuple(image[..., c] for c in range(image.shape[-1]))
