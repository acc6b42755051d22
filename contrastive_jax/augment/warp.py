"""SimAugment's random rotation and warp of one image, on the device (Khosla et al. 2020, Sec. 14.2).

Both gather every pixel from elsewhere with bilinear interpolation; outside the image the border repeats.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

CONTROLS = 2  # control points per axis, at thirds of the image, as in the authors' code


def random_rotation(
    image: Float[Array, "height width channel"], key: Key[Array, ""], *, degrees: float
) -> Float[Array, "height width channel"]:
    """Rotates about the centre by an angle that is uniform in [-degrees, degrees], counter-clockwise."""
    if degrees == 0:
        return image
    angle = math.radians(degrees) * jax.random.uniform(key, minval=-1.0, maxval=1.0)
    return rotate(image, angle)


def rotate(
    image: Float[Array, "height width channel"], angle: Float[Array, ""] | float
) -> Float[Array, "height width channel"]:
    """Rotates the image counter-clockwise by `angle` radians."""
    height, width, _ = image.shape
    row, column = _grid(height, width)
    row, column = row - (height - 1) / 2, column - (width - 1) / 2
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    return look_up(
        image, cos * row + sin * column + (height - 1) / 2, cos * column - sin * row + (width - 1) / 2
    )


def random_warp(
    image: Float[Array, "height width channel"],
    key: Key[Array, ""],
    *,
    probability: float,
    strength: float,
) -> Float[Array, "height width channel"]:
    """Displaces control points by a normal vector times a length that is uniform in [0, strength * side].

    Between them the displacement is a thin-plate spline. The authors' code interpolates from the displaced points,
    this from the original ones: the spline is then the same for all images and can be precomputed.
    """
    if probability == 0 or strength == 0:
        return image
    coin_key, length_key, vector_key = jax.random.split(key, 3)
    height, width, _ = image.shape
    length = strength * min(height, width) * jax.random.uniform(length_key)
    length = jnp.where(jax.random.bernoulli(coin_key, probability), length, 0.0)
    moves = length * jax.random.normal(vector_key, (CONTROLS**2, 2))
    highest = jax.lax.Precision.HIGHEST
    flow = jnp.einsum("pk,kd->pd", jnp.asarray(thin_plate(height, width)), moves, precision=highest)
    row, column = _grid(height, width)
    flow = flow.reshape(height, width, 2)
    return look_up(image, row - flow[..., 0], column - flow[..., 1])


def thin_plate(height: int, width: int) -> Float[np.ndarray, "pixel control"]:
    """How far each pixel moves when a control point moves by 1: the spline with kernel r^2 log r.

    It is exact at the control points and reproduces every affine displacement.
    """
    steps = np.arange(1, CONTROLS + 1) / (CONTROLS + 1)
    controls = np.stack(np.meshgrid(steps * height, steps * width, indexing="ij"), -1).reshape(-1, 2)
    pixels = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"), -1).reshape(-1, 2)

    def features(points):
        r2 = ((points[:, None] - controls[None]) ** 2).sum(-1)
        kernel = 0.5 * r2 * np.log(np.maximum(r2, 1e-10))
        return np.concatenate([kernel, points, np.ones((len(points), 1))], axis=1)

    n = len(controls)
    system = np.zeros((n + 3, n + 3))
    system[:n] = features(controls)
    system[n:, :n] = system[:n, n:].T
    return (features(pixels) @ np.linalg.inv(system)[:, :n]).astype(np.float32)


def look_up(
    image: Float[Array, "height width channel"],
    row: Float[Array, "tall wide"],
    column: Float[Array, "tall wide"],
) -> Float[Array, "tall wide channel"]:
    """The image at fractional positions, bilinear between the four neighbours; the border repeats."""
    height, width, channels = image.shape
    row, column = jnp.clip(row, 0, height - 1), jnp.clip(column, 0, width - 1)
    top, left = jnp.floor(row), jnp.floor(column)
    down, right = (row - top)[..., None], (column - left)[..., None]
    top, left = top.astype(jnp.int32), left.astype(jnp.int32)
    bottom, beyond = jnp.minimum(top + 1, height - 1), jnp.minimum(left + 1, width - 1)
    flat = image.reshape(height * width, channels)

    def at(row, column):
        return flat.at[row * width + column].get(mode="promise_in_bounds")

    upper = at(top, left) * (1 - right) + at(top, beyond) * right
    lower = at(bottom, left) * (1 - right) + at(bottom, beyond) * right
    return upper * (1 - down) + lower * down


def _grid(height: int, width: int) -> tuple[Float[Array, "height width"], Float[Array, "height width"]]:
    """The row and the column of every pixel."""
    shape = (height, width)
    return jax.lax.broadcasted_iota(jnp.float32, shape, 0), jax.lax.broadcasted_iota(jnp.float32, shape, 1)
