"""Cutout and random erasing: parts of one normalised image are overwritten, on the device."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from contrastive_jax.augment.geometry import draw_box


def cutout(
    image: Float[Array, "height width channel"], key: Key[Array, ""], *, side: int
) -> Float[Array, "height width channel"]:
    """Sets a square of `side` pixels around a uniformly drawn pixel to 0; part of it may be outside the image.

    DeVries & Taylor 2017. 0 is the mean color because the image is normalised.
    """
    if side == 0:
        return image
    height, width, _ = image.shape
    centre = jnp.floor(jax.random.uniform(key, (2,)) * jnp.array([height, width]))
    hole = rectangle(height, width, centre[0] - side // 2, centre[1] - side // 2, float(side), float(side))
    return jnp.where(hole[..., None], 0.0, image)


def random_erasing(
    image: Float[Array, "height width channel"],
    key: Key[Array, ""],
    *,
    probability: float,
    scale: tuple[float, float],
    ratio: tuple[float, float],
    noise: float,
) -> Float[Array, "height width channel"]:
    """Fills a random rectangle inside the image, with the given probability.

    Zhong et al. 2017, drawn as in torchvision: the first of ten candidates that fits; if none does, the image stays
    as it is.

    Args:
      scale: range of the rectangle's area as a fraction of the image's.
      ratio: range of the rectangle's height / width.
      noise: standard deviation of the normal noise that fills it (1 is timm's `pixel` mode); 0 fills with the mean
        color.
    """
    if probability == 0:
        return image
    height, width, _ = image.shape
    box_key, coin_key, noise_key = jax.random.split(key, 3)
    upright = (1 / ratio[1], 1 / ratio[0])  # draw_box takes width / height
    box, fits = draw_box(box_key, height, width, scale=scale, ratio=upright, smaller=True)
    hole = rectangle(height, width, *box) & fits & jax.random.bernoulli(coin_key, probability)
    fill = noise * jax.random.normal(noise_key, image.shape) if noise else 0.0
    return jnp.where(hole[..., None], fill, image)


def rectangle(
    height: int,
    width: int,
    top: Float[Array, ""] | float,
    left: Float[Array, ""] | float,
    tall: Float[Array, ""] | float,
    wide: Float[Array, ""] | float,
) -> Bool[Array, "height width"]:
    """True for the pixels inside the rectangle."""
    row, column = jnp.arange(height), jnp.arange(width)
    rows = (row >= top) & (row < top + tall)
    columns = (column >= left) & (column < left + wide)
    return rows[:, None] & columns[None, :]
