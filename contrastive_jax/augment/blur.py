"""Gaussian blur and solarization of one image with values in [0, 1], on the device.

Either probability may differ between the views of an image (BYOL, MoCo v3), so it may be a traced value.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from contrastive_jax.augment.geometry import weigh

THRESHOLD = 0.5  # between 127 and 128 of 255, so PIL's and torchvision's threshold of 128


def random_blur(
    image: Float[Array, "height width channel"],
    key: Key[Array, ""],
    *,
    probability: float | Float[Array, ""],
    sigma: tuple[float, float],
    kernel: float,
) -> Float[Array, "height width channel"]:
    """Blurs the image with the given probability; sigma (in pixels) is uniform in its range.

    As in torchvision, the kernel is truncated and the image is reflected at its border. The blur is a product with
    one matrix per axis: a convolution with a different kernel for every image would be slow.

    Args:
      kernel: width of the kernel as a fraction of the image's side, 0.1 for SimCLR.
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
    """SimCLR's rule, (side // 10) // 2 pixels on each side of the centre, but at least 1."""
    return max(1, int(side * kernel) // 2)


def gaussian_matrix(sigma: Float[Array, ""] | float, side: int, radius: int) -> Float[Array, "{side} {side}"]:
    """Weights that blur a line of `side` pixels, reflected about its first and last pixel."""
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
    """Inverts all values at or above the threshold, with the given probability."""
    applied = jax.random.uniform(key) < probability
    return jnp.where(applied & (image >= THRESHOLD), 1.0 - image, image)
