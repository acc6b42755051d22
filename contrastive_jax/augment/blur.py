"""Gaussian blur and solarization of one image with values in [0, 1], on the device.

Both probabilities may differ between the views of an image (BYOL, MoCo v3), so they may be traced.
"""

import jax
import jax.numpy as jnp
from dm_pix import solarize
from jaxtyping import Array, Float, Key

from contrastive_jax.augment.geometry import weigh

THRESHOLD = 0.5  # between 127 and 128 of 255: PIL's and torchvision's 128


def random_blur(
    image: Float[Array, "height width channel"],
    key: Key[Array, ""],
    *,
    probability: float | Float[Array, ""],
    sigma: tuple[float, float],
    kernel: float,
) -> Float[Array, "height width channel"]:
    """A Gaussian blur with sigma (pixels) uniform in its range, with the given probability.

    torchvision's definition: a truncated kernel, the image mirrored at its border. `kernel` is the kernel's
    width over the image's side, 0.1 for SimCLR. dm-pix has a blur as well, but with a black border, and as a
    convolution with another kernel for every image, which is slow.
    """
    coin, place = jax.random.uniform(key, (2,))
    drawn = sigma[0] + (sigma[1] - sigma[0]) * place
    applied = coin < probability

    def weights(side):
        blurring = gaussian_matrix(drawn, side, kernel_radius(side, kernel))
        return jnp.where(applied, blurring, jnp.eye(side))

    height, width, _ = image.shape
    rows = weights(height)
    return weigh(image, rows, rows if width == height else weights(width))


def kernel_radius(side: int, kernel: float) -> int:
    """SimCLR's rule: (side // 10) // 2 pixels on each side of the centre, here 1 at least."""
    return max(1, int(side * kernel) // 2)


def gaussian_matrix(sigma: Float[Array, ""] | float, side: int, radius: int) -> Float[Array, "{side} {side}"]:
    """Weights that blur a line of `side` pixels, mirrored about its first and last pixel."""
    if radius >= side:
        radius = side - 1

    def gauss(distance):
        inside = jnp.abs(distance) <= radius
        return jnp.where(inside, jnp.exp(-0.5 * (distance / sigma) ** 2), 0.0)

    i = jnp.arange(side, dtype=jnp.float32)
    to, source, last = i[:, None], i[None, :], float(side - 1)
    weight = gauss(source - to)
    weight += jnp.where(source > 0, gauss(-source - to), 0.0)
    weight += jnp.where(source < last, gauss(2 * last - source - to), 0.0)
    return weight / jnp.sum(weight, axis=1, keepdims=True)


def random_solarize(
    image: Float[Array, "height width channel"],
    key: Key[Array, ""],
    *,
    probability: float | Float[Array, ""],
) -> Float[Array, "height width channel"]:
    """Values from the threshold upwards inverted, with the given probability."""
    applied = jax.random.uniform(key) < probability
    return jnp.where(applied, solarize(image, THRESHOLD), image)
