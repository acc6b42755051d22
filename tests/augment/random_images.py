"""What the tests of augmentation share: random images, functions over many keys, a recipe without operations."""

import jax
import numpy as np

from contrastive_jax.augment import Recipe

UNIT = {"mean": (0.0,), "std": (1.0,)}
OFF = Recipe(
    crop_scale=(1.0, 1.0),
    crop_ratio=(1.0, 1.0),
    flip=0.0,
    jitter_probability=0.0,
    gray_probability=0.0,
    **UNIT,
)
"""A recipe whose view is the image itself."""


def pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def unit_image(*shape, seed=0):
    return pixels(*shape, seed=seed).astype(np.float32) / 255


def over_keys(function, n, seed=0):
    """`function` of n keys, in one compiled program, as NumPy arrays."""
    return jax.tree.map(np.asarray, jax.jit(jax.vmap(function))(jax.random.split(jax.random.key(seed), n)))
