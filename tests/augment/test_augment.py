"""Augmentation: values against PIL and NumPy formulas, distributions of the draws, determinism, devices."""

import colorsys
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P
from PIL import Image, ImageEnhance

from contrastive_jax.augment import color as color
from contrastive_jax.augment import geometry as geometry
from contrastive_jax.augment.views import Recipe, augment, make_views, normalise, plain
from contrastive_jax.errors import InputError

UNIT = {"mean": (0.0,), "std": (1.0,)}
OFF = Recipe(
    crop_scale=(1.0, 1.0),
    crop_ratio=(1.0, 1.0),
    flip=0.0,
    jitter_probability=0.0,
    gray_probability=0.0,
    **UNIT,
)
PIL_FILTER = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def unit_image(*shape, seed=0):
    return pixels(*shape, seed=seed).astype(np.float32) / 255


# Compiled: eagerly, each of the operations would be compiled by itself.
compiled_views = jax.jit(make_views, static_argnums=(0, 3))
compiled_augment = jax.jit(augment, static_argnums=0)
compiled_plain = jax.jit(plain, static_argnums=0)
compiled_resize = jax.jit(geometry.resize_box, static_argnames=("size", "interpolation", "antialias"))


def over_keys(function, keys):
    return jax.jit(jax.vmap(function))(keys)


def keys(n, seed=0):
    return jax.random.split(jax.random.key(seed), n)


# --- geometry


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("box", [(0, 0, 37, 29), (5, 3, 11, 20), (30, 20, 7, 9), (2, 1, 1, 28)])
@pytest.mark.parametrize("size", [8, 40])
def test_resized_box_is_pils_resize_of_the_crop(interpolation, box, size):
    image = unit_image(37, 29, 3)
    top, left, height, width = box
    cut = image[top : top + height, left : left + width]
    expected = [
        np.asarray(Image.fromarray(cut[..., c]).resize((size, size), PIL_FILTER[interpolation]))
        for c in range(3)
    ]
    traced = geometry.Box(*(jnp.float32(side) for side in box))
    got = compiled_resize(jnp.asarray(image), traced, size=size, interpolation=interpolation, antialias=True)
    np.testing.assert_allclose(got, np.clip(np.stack(expected, -1), 0, 1), atol=3e-6)


def test_without_antialias_shrinking_reads_two_neighbours_only():
    line = np.arange(12, dtype=np.float32)
    weights = geometry.resampling_matrix(geometry.triangle, 0.0, 12.0, 12, 3, antialias=False)
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
def test_boxes_are_distributed_as_torchvisions(height, width):
    scale, ratio, n = (0.2, 1.0), (3 / 4, 4 / 3), 20_000
    draw = over_keys(lambda key: geometry.random_box(key, height, width, scale=scale, ratio=ratio), keys(n))
    boxes = np.stack(draw, axis=1)
    top, left, h, w = boxes.T
    assert (boxes == np.round(boxes)).all() and (top >= 0).all() and (left >= 0).all()
    assert (top + h <= height).all() and (left + w <= width).all() and (h >= 1).all() and (w >= 1).all()
    expected = reference_boxes(n, height, width, scale, ratio)
    for quantile in (0.05, 0.25, 0.5, 0.75, 0.95):
        # One pixel is the resolution of the draw; the sampling error of the quantiles is below that.
        assert np.abs(np.quantile(boxes, quantile, 0) - np.quantile(expected, quantile, 0)).max() <= 1
    np.testing.assert_allclose(boxes.mean(0), expected.mean(0), atol=0.2)
    np.testing.assert_allclose((h * w).mean(), (expected[:, 2] * expected[:, 3]).mean(), rtol=0.02)
    assert (h * w).min() < 0.25 * height * width


def test_without_a_fitting_candidate_the_box_is_the_largest_allowed_centred_one():
    boxes = over_keys(
        lambda key: geometry.random_box(key, 10, 100, scale=(0.9, 1.0), ratio=(3 / 4, 4 / 3)), keys(50)
    )
    np.testing.assert_array_equal(np.stack(boxes, 1), np.tile([0, 43, 10, 13], (50, 1)))


def test_padding_crop_takes_every_offset_of_the_padded_image():
    image = unit_image(8, 8, 1) + 0.1
    padded = np.pad(image, ((2, 2), (2, 2), (0, 0)))
    crops = {padded[i : i + 8, j : j + 8].tobytes() for i in range(5) for j in range(5)}
    got = over_keys(lambda key: geometry.padding_crop(jnp.asarray(image), key, pad=2), keys(400))
    assert {np.asarray(crop).tobytes() for crop in got} == crops


def test_flip_rate_and_values():
    image = unit_image(4, 6, 3)
    got = np.asarray(
        over_keys(lambda key: geometry.random_flip(jnp.asarray(image), key, probability=0.3), keys(4000))
    )
    flipped = (got == image[:, ::-1]).all(axis=(1, 2, 3))
    assert (flipped | (got == image).all(axis=(1, 2, 3))).all()
    assert abs(flipped.mean() - 0.3) < 0.03  # four standard errors


# --- color


def gray_of(image):
    return (
        (image @ np.array([0.2989, 0.587, 0.114], np.float32))[..., None] if image.shape[-1] == 3 else image
    )


def blend_reference(image, kind, factor):
    gray = gray_of(image)
    other = {color.BRIGHTNESS: 0 * gray, color.CONTRAST: gray.mean(), color.SATURATION: gray}[kind]
    return np.clip(factor * image + (1 - factor) * other, 0, 1)


def hue_reference(image, turns):
    out = np.empty_like(image)
    for index in np.ndindex(image.shape[:2]):
        h, s, v = colorsys.rgb_to_hsv(*map(float, image[index]))
        out[index] = colorsys.hsv_to_rgb((h + turns) % 1.0, s, v)
    return out


@pytest.mark.parametrize("factor", [0.0, 0.6, 1.0, 1.4])
@pytest.mark.parametrize(
    "kind,enhance",
    [
        (color.BRIGHTNESS, ImageEnhance.Brightness),
        (color.CONTRAST, ImageEnhance.Contrast),
        (color.SATURATION, ImageEnhance.Color),
    ],
)
def test_blends_equal_torchvisions_formula_and_pil(kind, enhance, factor):
    raw = pixels(16, 12, 3)
    image = raw.astype(np.float32) / 255
    got = np.stack(color.blend(color.to_planes(jnp.asarray(image)), kind, factor), axis=-1)
    np.testing.assert_allclose(got, blend_reference(image, kind, factor), atol=1e-6)
    pil = np.asarray(enhance(Image.fromarray(raw)).enhance(factor)).astype(np.float32) / 255
    assert np.abs(got - pil).max() <= 2.0 / 255  # PIL rounds to 8 bits, its mean gray level too


@pytest.mark.parametrize("turns", [-0.5, -0.1, 0.0, 0.07, 0.5])
def test_hue_equals_the_hsv_formula(turns):
    image = unit_image(8, 9, 3)
    image[0, :3] = [[0, 0, 0], [1, 1, 1], [0.5, 0.5, 0.5]]
    image[1, :3] = np.eye(3)
    got = np.stack(color.shift_hue(color.to_planes(jnp.asarray(image)), turns), axis=-1)
    np.testing.assert_allclose(got, hue_reference(image, turns), atol=3e-6)


STRENGTHS, HUE = (0.4, 0.3, 0.2), 0.1


def test_jitter_applies_its_draw_in_the_drawn_order():
    image = unit_image(6, 5, 3)
    arguments = dict(zip(("brightness", "contrast", "saturation"), STRENGTHS), hue=HUE, probability=0.8)
    got = np.asarray(
        over_keys(lambda key: color.color_jitter(jnp.asarray(image), key, **arguments), keys(60))
    )
    draws = over_keys(lambda key: color.draw_jitter(key, STRENGTHS, HUE, 0.8), keys(60))
    draws = jax.tree.map(np.asarray, draws)
    seen = set()
    for n in range(60):
        draw = jax.tree.map(lambda leaf: leaf[n], draws)  # noqa: B023
        if not draw.applied:
            np.testing.assert_array_equal(got[n], image)
            continue
        steps = [(int(kind), float(factor)) for kind, factor in zip(draw.kind, draw.factor)]
        steps.insert(int(draw.hue_place), ("hue", float(draw.hue_shift)))
        expected = image
        for kind, amount in steps:
            expected = (
                hue_reference(expected, amount) if kind == "hue" else blend_reference(expected, kind, amount)
            )
        np.testing.assert_allclose(got[n], expected, atol=1e-5)
        seen.add(tuple(kind for kind, _ in steps))
    assert len(seen) > 12  # the order is drawn per example


@pytest.mark.parametrize("strengths,hue", [(STRENGTHS, 0.0), (STRENGTHS, HUE), ((0.0, 0.0, 0.0), HUE)])
def test_both_schedules_of_the_jitter_agree(strengths, hue):
    planes = color.to_planes(jnp.asarray(unit_image(6, 5, 3)))

    def both(key):
        draw = color.draw_jitter(key, strengths, hue, 1.0)
        return [
            jnp.stack(run(planes, draw, has_hue=hue > 0)) for run in (color.one_by_one, color.in_two_passes)
        ]

    # Level 0, which the tests set, miscompiles the second one for a CPU in jax 0.12.0; no CPU runs it but here.
    run = jax.jit(jax.vmap(both), compiler_options={"xla_backend_optimization_level": 1})
    np.testing.assert_allclose(*run(keys(60)), atol=2e-6)


def test_jitter_draws_are_uniform_in_factors_and_in_all_orders():
    n = 24_000
    draws = over_keys(lambda key: color.draw_jitter(key, STRENGTHS, HUE, 0.8), keys(n))
    kind, factor = np.asarray(draws.kind), np.asarray(draws.factor)
    for which, strength in enumerate(STRENGTHS):
        values = factor[kind == which]
        assert len(values) == n
        np.testing.assert_allclose(
            np.quantile(values, [0, 0.25, 0.5, 0.75, 1]),
            np.linspace(1 - strength, 1 + strength, 5),
            atol=0.02 * strength + 1e-3,
        )
    np.testing.assert_allclose(np.quantile(draws.hue_shift, [0, 0.5, 1]), [-HUE, 0, HUE], atol=0.004)
    assert abs(np.mean(draws.applied) - 0.8) < 0.012
    orders = [tuple(np.insert(k, place, 3)) for k, place in zip(kind, np.asarray(draws.hue_place))]
    counts = [orders.count(order) for order in itertools.permutations(range(4))]
    assert sum(counts) == n and min(counts) > 850 and max(counts) < 1150  # 1000 +- 31 expected


def test_a_strength_of_zero_leaves_its_operation_out():
    draw = color.draw_jitter(jax.random.key(0), (0.4, 0.0, 0.2), 0.0, 1.0)
    assert sorted(np.asarray(draw.kind)) == [color.BRIGHTNESS, color.SATURATION]


def test_a_strength_above_one_does_not_make_negative_factors():
    draws = over_keys(lambda key: color.draw_jitter(key, (1.5, 0.0, 0.0), 0.0, 1.0), keys(500))
    assert 0 <= draws.factor.min() < 0.02 and 2.4 < draws.factor.max() <= 2.5


def test_grayscale_rate_and_values():
    image = unit_image(5, 5, 3)
    got = np.asarray(
        over_keys(lambda key: color.random_grayscale(jnp.asarray(image), key, probability=0.2), keys(4000))
    )
    gray = np.ptp(got, axis=-1).max(axis=(1, 2)) == 0
    np.testing.assert_allclose(got[gray][0], np.repeat(gray_of(image), 3, -1), atol=1e-6)
    np.testing.assert_array_equal(got[~gray][0], image)
    assert abs(gray.mean() - 0.2) < 0.03


def test_one_channel_jitters_in_brightness_and_contrast_only():
    image = jnp.asarray(unit_image(6, 6, 1))
    key = jax.random.key(3)
    both = {"brightness": 0.4, "contrast": 0.4, "probability": 1.0}
    full = color.color_jitter(image, key, saturation=0.4, hue=0.1, **both)
    np.testing.assert_array_equal(full, color.color_jitter(image, key, saturation=0.0, hue=0.0, **both))
    color_only = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.4, "hue": 0.1}
    assert color.color_jitter(image, key, probability=1.0, **color_only) is image
    assert color.random_grayscale(image, key, probability=1.0) is image


# --- the whole


@pytest.mark.parametrize("channels", [1, 3])
def test_views_are_in_range_and_all_different(channels):
    images = jnp.asarray(np.repeat(pixels(1, 16, 20, channels), 6, axis=0))
    views = np.asarray(compiled_views(Recipe(size=12, pad=2, **UNIT), images, jax.random.key(0), 2))
    assert views.shape == (6, 2, 12, 12, channels) and views.dtype == np.float32
    assert views.min() >= 0 and views.max() <= 1
    assert len({view.tobytes() for view in views.reshape(12, -1)}) == 12


def test_with_everything_off_the_view_is_the_image_and_equals_plain():
    images = jnp.asarray(pixels(3, 10, 10, 3))
    views = compiled_views(OFF, images, jax.random.key(0), 1)[:, 0]
    np.testing.assert_allclose(views, images / 255.0, atol=1e-7)
    np.testing.assert_array_equal(views, compiled_plain(OFF, images))


def test_what_is_off_is_not_in_the_program():
    trace = jax.make_jaxpr(lambda image, key: augment(OFF, image, key))(
        jnp.asarray(pixels(8, 8, 3)), jax.random.key(0)
    )
    names = {equation.primitive.name for equation in trace.eqns}
    assert not names & {"dot_general", "select_n", "random_bits", "gather", "dynamic_slice"}, names


def test_a_view_depends_on_key_position_and_view_only():
    recipe = Recipe(size=8, jitter_probability=0.0, gray_probability=0.0, **UNIT)
    images = jnp.asarray(pixels(4, 12, 12, 3))
    key = jax.random.key(5)
    views = compiled_views(recipe, images, key, 2)
    np.testing.assert_array_equal(views, compiled_views(recipe, images, key, 2))
    assert np.abs(views - compiled_views(recipe, images, jax.random.key(6), 2)).max() > 0.1
    for position, view in [(0, 0), (3, 1)]:
        own = jax.random.fold_in(jax.random.fold_in(key, position), view)
        np.testing.assert_allclose(
            views[position, view], compiled_augment(recipe, images[position], own), atol=2e-6
        )


def test_eight_devices_give_the_views_of_one():
    recipe = Recipe(size=12, pad=1, **UNIT)
    images = pixels(16, 12, 12, 3)
    alone = compiled_views(recipe, jnp.asarray(images), jax.random.key(1), 2)
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    sharded = jax.device_put(images, NamedSharding(mesh, P("data")))
    spread = compiled_views(recipe, sharded, jax.random.key(1), 2)
    assert len(spread.sharding.device_set) == 8
    np.testing.assert_allclose(spread, alone, atol=2e-6)


def test_adding_an_operation_leaves_the_draws_of_the_others():
    image, key = jnp.asarray(pixels(8, 8, 3)), jax.random.key(2)
    base = Recipe(size=8, jitter_probability=0.0, gray_probability=0.0, **UNIT)
    with_gray = Recipe(size=8, jitter_probability=0.0, gray_probability=1.0, **UNIT)
    np.testing.assert_allclose(
        compiled_augment(with_gray, image, key),
        np.repeat(gray_of(np.asarray(compiled_augment(base, image, key))), 3, -1),
        atol=1e-6,
    )


def test_plain_resizes_the_centre_square():
    images = pixels(2, 20, 30, 3)
    expected = [
        np.asarray(
            Image.fromarray(image[..., c].astype(np.float32) / 255)
            .crop((5, 0, 25, 20))
            .resize((10, 10), PIL_FILTER["bilinear"])
        )
        for image in images
        for c in range(3)
    ]
    expected = np.stack(expected).reshape(2, 3, 10, 10).transpose(0, 2, 3, 1)
    np.testing.assert_allclose(
        compiled_plain(Recipe(size=10, **UNIT), jnp.asarray(images)), expected, atol=3e-6
    )
    part = compiled_plain(Recipe(size=14, center_fraction=0.7, **UNIT), jnp.asarray(images))
    np.testing.assert_allclose(part, images[:, 3:17, 8:22] / 255.0, atol=1e-6)


def test_normalisation_is_per_channel():
    x = unit_image(2, 3, 3)
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    np.testing.assert_allclose(
        normalise(jnp.asarray(x), mean, std), (x - np.array(mean)) / np.array(std), rtol=1e-5
    )
    with pytest.raises(InputError, match="0 values for images of 3 channel"):
        compiled_plain(Recipe(), jnp.asarray(pixels(1, 4, 4, 3)))


@pytest.mark.parametrize(
    "field,value,sentence",
    [
        ("interpolation", "biliner", "did you mean 'bilinear'"),
        ("flip", 1.5, "probability"),
        ("crop_scale", (0.5, 0.2), "low <= high"),
        ("hue", 0.7, "0.5"),
        ("pad", -1, "0 or more"),
    ],
)
def test_a_bad_field_is_refused_with_a_sentence(field, value, sentence):
    with pytest.raises(InputError, match=f"augment.{field}.*{sentence}"):
        Recipe(**{field: value})
