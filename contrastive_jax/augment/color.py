"""Color augmentation of one image with values in [0, 1], on the device: jitter and grayscale.

The formulas are torchvision's. Brightness, contrast and saturation all blend the image with another one
(black, its mean gray level, its gray version): `clip(f * image + (1 - f) * other)`. dm-pix gives the hue; its
brightness, contrast and saturation follow TensorFlow's, which are other functions.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from dm_pix import adjust_hue
from jax import lax
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
    planes = to_planes(image)
    jittered = lax.platform_dependent(
        planes,
        draw,
        cpu=partial(one_by_one, has_hue=hue > 0),
        default=partial(in_two_passes, has_hue=hue > 0),
    )
    return where(draw.applied, jittered, planes)


# Any order of four operations, one of them dear, in a program that is the same for all orders: the blends of the
# slots before the hue's place, the hue once, and the rest of the blends. A blend on the wrong side of the hue gets
# factor 1, which is the identity.


def one_by_one(planes: Planes, draw: Jitter, *, has_hue: bool) -> Planes:
    """The operations in their order, each storing its image: best on a CPU (see `augment_stored`)."""

    def slot(planes, kind_and_factor):
        return blend(planes, *kind_and_factor), None

    for number, factor in enumerate(_factors(draw, has_hue)):
        if number:
            planes = shift_hue(planes, draw.hue_shift)
        planes, _ = lax.scan(slot, planes, (draw.kind, factor))
    return planes


def in_two_passes(planes: Planes, draw: Jitter, *, has_hue: bool) -> Planes:
    """The same with fewer images through memory: best on a GPU.

    Only the contrast needs more than the pixel itself, the mean of the image as its turn finds it. A first pass
    stops there and stores nothing but that mean; the second does everything.
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
    """The slots' factors before and after the hue."""
    if not has_hue:
        return [draw.factor]
    early = jnp.arange(draw.kind.shape[0]) < draw.hue_place
    return [jnp.where(early, draw.factor, 1.0), jnp.where(early, 1.0, draw.factor)]


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
    # Sorted by place. For three numbers counting is cheaper than a sort, which is a kernel of its own.
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
    """`clip(factor * image + (1 - factor) * other)`, other = black, the mean gray level or the gray image."""
    gray = luma(planes)
    other = jnp.where(kind == CONTRAST, jnp.mean(gray) if mean is None else mean, gray)
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
    planes = to_planes(image)
    return where(jax.random.bernoulli(key, probability), (luma(planes),) * len(planes), planes)


def where(applied: Bool[Array, ""], planes: Planes, others: Planes) -> Float[Array, "height width channel"]:
    """One or the other image. Chosen per plane, so that the next operation finds planes again."""
    return jnp.stack([jnp.where(applied, *pair) for pair in zip(planes, others, strict=True)], axis=-1)


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
