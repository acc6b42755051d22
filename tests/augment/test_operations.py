"""Blur, solarization, rotation, warp, erasing, mixing and bits: values against PIL and SciPy, and the draws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageFilter, ImageOps
from random_images import over_keys, pixels, unit_image
from scipy import ndimage

from contrastive_jax.augment import bits, blur, erase, warp
from contrastive_jax.augment import mix as mixing

# --- blur and solarize


@pytest.mark.parametrize("sigma,kernel", [(0.1, 0.1), (0.8, 0.1), (2.0, 0.3)])
def test_blur_is_a_reflected_truncated_gaussian(sigma, kernel):
    image = unit_image(20, 30, 3)
    run = jax.jit(blur.random_blur, static_argnames=("probability", "sigma", "kernel"))
    got = run(jnp.asarray(image), jax.random.key(0), probability=1.0, sigma=(sigma, sigma), kernel=kernel)
    radii = [blur.kernel_radius(side, kernel) for side in image.shape[:2]]
    expected = image.astype(np.float64)
    for axis, radius in enumerate(radii):
        offset = np.arange(-radius, radius + 1)
        weight = np.exp(-0.5 * (offset / sigma) ** 2)
        expected = ndimage.correlate1d(expected, weight / weight.sum(), axis, mode="mirror")
    np.testing.assert_allclose(got, expected, atol=2e-6)


def test_blur_is_close_to_pils():
    image = pixels(40, 40, seed=1)
    image = np.asarray(Image.fromarray(image).resize((64, 64), Image.Resampling.BICUBIC))
    matrix = jax.jit(lambda sigma: blur.gaussian_matrix(sigma, 64, 16))
    for sigma in (0.7, 1.5, 2.0):
        pil = np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(sigma))) / 255
        weights = np.asarray(matrix(sigma))
        got = weights @ (image / 255) @ weights.T
        assert np.abs(got - pil)[4:-4, 4:-4].mean() < 0.01  # PIL's is three box blurs in 8 bits


def test_blur_kernel_follows_simclrs_rule():
    assert [blur.kernel_radius(side, 0.1) for side in (224, 96, 64, 32, 8)] == [11, 4, 3, 1, 1]


def test_blur_rate_and_sigmas():
    impulse = np.zeros((9, 9, 1), np.float32)
    impulse[4, 4] = 1
    got = over_keys(
        lambda key: blur.random_blur(
            jnp.asarray(impulse), key, probability=0.3, sigma=(0.5, 2.0), kernel=1.0
        )[4, 4:6, 0],
        6000,
    )
    blurred = got[:, 1] > 0
    assert abs(blurred.mean() - 0.3) < 0.025
    sigma = np.sqrt(-0.5 / np.log(got[blurred, 1] / got[blurred, 0]))
    np.testing.assert_allclose(np.quantile(sigma, [0, 0.25, 0.5, 0.75, 1]), np.linspace(0.5, 2, 5), atol=0.06)


def test_solarize_equals_pils():
    image = pixels(16, 16, 3)
    got = blur.random_solarize(jnp.asarray(image) / 255.0, jax.random.key(0), probability=1.0)
    np.testing.assert_allclose(got * 255, np.asarray(ImageOps.solarize(Image.fromarray(image))), atol=1e-4)


# --- rotation and warp

rotate = jax.jit(warp.rotate)


@pytest.mark.parametrize("angle", [0.0, 0.4, -1.2, np.pi / 2])
def test_rotation_equals_scipys(angle):
    image = unit_image(9, 12, 3)
    expected = ndimage.rotate(image, np.degrees(angle), reshape=False, order=1, mode="nearest")
    np.testing.assert_allclose(rotate(image, angle), expected, atol=1e-5)


def test_look_up_equals_scipys():
    image, rng = unit_image(9, 12, 2), np.random.default_rng(0)
    row, column = rng.uniform(-2, 11, (7, 5)), rng.uniform(-2, 14, (7, 5))
    expected = [
        ndimage.map_coordinates(image[..., c], [row, column], order=1, mode="nearest") for c in (0, 1)
    ]
    got = jax.jit(warp.look_up)(jnp.asarray(image), *(jnp.asarray(x, jnp.float32) for x in (row, column)))
    np.testing.assert_allclose(got, np.stack(expected, -1), atol=1e-5)


def test_thin_plate_interpolates_and_reproduces_affine_displacements():
    basis = warp.thin_plate(30, 60).reshape(30, 60, 4)
    for number, position in enumerate([(10, 20), (10, 40), (20, 20), (20, 40)]):
        np.testing.assert_allclose(basis[position], np.eye(4)[number], atol=1e-4)
    controls = np.array([(10, 20), (10, 40), (20, 20), (20, 40)], float)
    np.testing.assert_allclose(
        basis @ (3 + controls @ [2.0, -1.0]), 3 + np.add.outer(2.0 * np.arange(30), -np.arange(60)), atol=1e-2
    )


def test_warp_and_rotation_draws():
    image = jnp.asarray(unit_image(6, 6, 1))
    moved = over_keys(lambda k: warp.random_warp(image, k, probability=0.4, strength=0.3), 800)
    assert abs((np.abs(moved - np.asarray(image)).max((1, 2, 3)) > 1e-5).mean() - 0.4) < 0.07
    turned = over_keys(lambda k: warp.random_rotation(image, k, degrees=20.0), 50)
    assert len({x.tobytes() for x in turned}) == 50
    assert warp.random_rotation(image, jax.random.key(0), degrees=0.0) is image


# --- erasing and mixing


def test_cutout_reaches_every_centre_and_is_clipped_at_the_border():
    ones = jnp.ones((6, 8, 1))
    holes = over_keys(lambda key: erase.cutout(ones, key, side=4), 600)[..., 0] == 0
    expected = set()
    for row in range(6):
        for column in range(8):
            hole = np.zeros((6, 8), bool)
            hole[max(0, row - 2) : row + 2, max(0, column - 2) : column + 2] = True
            expected.add(hole.tobytes())
    assert {hole.tobytes() for hole in holes} == expected


def test_random_erasing_draws_rectangles_as_torchvision_does():
    ones, n = jnp.ones((40, 40, 1)), 4000

    def hole(key):
        settings = dict(probability=0.6, scale=(0.02, 0.33), ratio=(0.3, 3.3), noise=0.0)
        gone = erase.random_erasing(ones, key, **settings)[..., 0] == 0
        return jnp.any(gone, 1).sum(), jnp.any(gone, 0).sum(), gone.sum()

    tall, wide, area = over_keys(hole, n)
    erased = area > 0
    assert (tall * wide == area).all() and abs(erased.mean() - 0.6) < 0.035
    share, ratio = area[erased] / 1600, tall[erased] / wide[erased]
    rng, shares, ratios = np.random.default_rng(0), [], []
    while len(shares) < 4000:
        target, aspect = 1600 * rng.uniform(0.02, 0.33), np.exp(rng.uniform(np.log(0.3), np.log(3.3)))
        h, w = round(np.sqrt(target * aspect)), round(np.sqrt(target / aspect))
        if h < 40 and w < 40:
            shares.append(h * w / 1600), ratios.append(h / w)
    quantiles = [0.1, 0.5, 0.9]
    np.testing.assert_allclose(np.quantile(share, quantiles), np.quantile(shares, quantiles), atol=0.02)
    np.testing.assert_allclose(np.quantile(ratio, quantiles), np.quantile(ratios, quantiles), rtol=0.12)


def test_erased_noise_has_the_given_standard_deviation():
    settings = dict(probability=1.0, scale=(0.5, 0.5), ratio=(1.0, 1.0), noise=2.0)
    got = over_keys(lambda key: erase.random_erasing(jnp.full((20, 20, 1), 50.0), key, **settings), 20)
    noise = got[got < 40]
    assert len(noise) == 20 * 14 * 14 and abs(noise.mean()) < 0.15 and abs(noise.std() - 2) < 0.1


def test_mixup_and_cutmix_mix_with_the_previous_image():
    views, labels = jnp.asarray(unit_image(6, 2, 8, 8, 1)), jnp.arange(6)
    previous = np.roll(views, 1, axis=0)
    run = jax.jit(mixing.mix, static_argnames=("mixup", "cutmix", "probability"))
    for key in jax.random.split(jax.random.key(0), 6):
        mixed = run(views, labels, key, mixup=1.0, cutmix=0.0, probability=1.0)
        share = float(mixed.share[0])
        np.testing.assert_allclose(mixed.view, share * views + (1 - share) * previous, atol=1e-6)
        np.testing.assert_array_equal(mixed.partner, np.roll(labels, 1))
        cut = run(views, labels, key, mixup=0.0, cutmix=1.0, probability=1.0)
        own = np.asarray(cut.view == views)
        assert (own | (np.asarray(cut.view) == previous)).all()
        np.testing.assert_allclose(cut.share, own[1, 0].mean(), atol=1e-6)
        rows, columns = (~own[1, 0, ..., 0]).any(1).sum(), (~own[1, 0, ..., 0]).any(0).sum()
        assert rows * columns == (~own[1, 0]).sum()  # a rectangle


def test_shares_follow_the_beta_distribution_at_the_given_rate():
    views, labels = jnp.zeros((2, 1, 1, 1, 1)), jnp.zeros(2, jnp.int32)

    def share(key):
        return mixing.mix(views, labels, key, mixup=0.4, cutmix=0.0, probability=0.5).share[0]

    got = over_keys(share, 2000)
    assert abs((got == 1).mean() - 0.5) < 0.06
    expected = np.random.default_rng(0).beta(0.4, 0.4, 20_000)
    quantiles = [0.2, 0.4, 0.6, 0.8]
    np.testing.assert_allclose(
        np.quantile(got[got < 1], quantiles), np.quantile(expected, quantiles), atol=0.07
    )


# --- bits


def test_image_hash_is_uniform_and_mixes_every_pixel():
    images = pixels(4096, 4, 4, 1)
    images[:2048, 0] = 0  # dark corners, as in images of digits
    integers = np.asarray(bits.image_hash(jnp.asarray(images)))
    assert len(np.unique(integers)) == 4096
    counts = np.bincount(integers & 15, minlength=16)
    assert counts.min() > 256 - 64 and counts.max() < 256 + 64  # four standard errors
    images[:, 2, 1] ^= 1
    changed = np.asarray(bits.image_hash(jnp.asarray(images))) ^ integers
    flipped = np.unpackbits(changed.view(np.uint8)).mean()
    assert abs(flipped - 0.5) < 0.01
