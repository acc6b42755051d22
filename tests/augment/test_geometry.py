"""Crops, resizing and flips: values against PIL, distributions of the draws against torchvision's algorithm."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from random_images import over_keys, unit_image

from contrastive_jax.augment import geometry

PIL_FILTER = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}

resize = jax.jit(geometry.resize_box, static_argnames=("size", "interpolation", "antialias"))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("box", [(0, 0, 37, 29), (5, 3, 11, 20), (30, 20, 7, 9), (2, 1, 1, 28)])
@pytest.mark.parametrize("size", [8, 40])
def test_resizing_a_box_equals_pils_resize_of_the_crop(interpolation, box, size):
    image = unit_image(37, 29, 3)
    top, left, height, width = box
    cut = image[top : top + height, left : left + width]
    expected = [
        np.asarray(Image.fromarray(cut[..., c]).resize((size, size), PIL_FILTER[interpolation]))
        for c in range(3)
    ]
    traced = geometry.Box(*(jnp.float32(side) for side in box))
    got = resize(jnp.asarray(image), traced, size=size, interpolation=interpolation, antialias=True)
    np.testing.assert_allclose(got, np.clip(np.stack(expected, -1), 0, 1), atol=3e-6)


def test_shrinking_without_antialias_reads_two_neighbours_only():
    line = np.arange(12, dtype=np.float32)
    weights = jax.jit(
        lambda: geometry.resampling_matrix(geometry.triangle, 0.0, 12.0, 12, 3, antialias=False)
    )()
    np.testing.assert_allclose(np.asarray(weights) @ line, [1.5, 5.5, 9.5], atol=1e-6)
    assert (np.asarray(weights) > 0).sum(axis=1).max() == 2


def reference_boxes(n, height, width, scale, ratio, seed=0):
    """torchvision's rejection loop, n times."""
    rng = np.random.default_rng(seed)
    boxes = []
    for _ in range(n):
        for _ in range(10):
            area = height * width * rng.uniform(*scale)
            aspect = math.exp(rng.uniform(math.log(ratio[0]), math.log(ratio[1])))
            w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < w <= width and 0 < h <= height:
                boxes.append((rng.integers(0, height - h + 1), rng.integers(0, width - w + 1), h, w))
                break
    return np.array(boxes, float)


@pytest.mark.parametrize("height,width", [(32, 32), (24, 40)])
def test_boxes_are_distributed_as_in_torchvision(height, width):
    scale, ratio, n = (0.2, 1.0), (3 / 4, 4 / 3), 20_000
    draw = over_keys(lambda key: geometry.random_box(key, height, width, scale=scale, ratio=ratio), n)
    boxes = np.stack(draw, axis=1)
    top, left, h, w = boxes.T
    assert (boxes == np.round(boxes)).all() and (top >= 0).all() and (left >= 0).all()
    assert (top + h <= height).all() and (left + w <= width).all() and (h >= 1).all() and (w >= 1).all()
    expected = reference_boxes(n, height, width, scale, ratio)
    for quantile in (0.05, 0.25, 0.5, 0.75, 0.95):
        # The draws have a resolution of one pixel; the sampling error of the quantiles is smaller.
        assert np.abs(np.quantile(boxes, quantile, 0) - np.quantile(expected, quantile, 0)).max() <= 1
    np.testing.assert_allclose(boxes.mean(0), expected.mean(0), atol=0.2)
    np.testing.assert_allclose((h * w).mean(), (expected[:, 2] * expected[:, 3]).mean(), rtol=0.02)
    assert (h * w).min() < 0.25 * height * width


def test_if_no_candidate_fits_the_box_is_the_largest_allowed_centred_one():
    boxes = over_keys(
        lambda key: geometry.random_box(key, 10, 100, scale=(0.9, 1.0), ratio=(3 / 4, 4 / 3)), 50
    )
    np.testing.assert_array_equal(np.stack(boxes, 1), np.tile([0, 43, 10, 13], (50, 1)))


def test_padding_crop_reaches_every_offset_of_the_padded_image():
    image = unit_image(8, 8, 1) + 0.1
    padded = np.pad(image, ((2, 2), (2, 2), (0, 0)))
    crops = {padded[i : i + 8, j : j + 8].tobytes() for i in range(5) for j in range(5)}
    got = over_keys(lambda key: geometry.padding_crop(jnp.asarray(image), key, pad=2), 400)
    assert {np.asarray(crop).tobytes() for crop in got} == crops


def test_flip_rate_and_values():
    image = unit_image(4, 6, 3)
    got = over_keys(lambda key: geometry.random_flip(jnp.asarray(image), key, probability=0.3), 4000)
    flipped = (got == image[:, ::-1]).all(axis=(1, 2, 3))
    assert (flipped | (got == image).all(axis=(1, 2, 3))).all()
    assert abs(flipped.mean() - 0.3) < 0.03  # four standard errors
