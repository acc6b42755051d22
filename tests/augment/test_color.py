"""Color jitter and grayscale: values against PIL, colorsys and NumPy formulas, distributions of the draws."""

import colorsys
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageEnhance
from random_images import over_keys, pixels, unit_image

from contrastive_jax.augment import color

STRENGTHS, HUE = (0.4, 0.3, 0.2), 0.1


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


@jax.jit
def shift_hue(image, turns):
    return jnp.stack(color.shift_hue(color.to_planes(image), turns), axis=-1)


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
    assert np.abs(got - pil).max() <= 2.0 / 255  # PIL rounds to 8 bits, and rounds the mean gray level too


@pytest.mark.parametrize("turns", [-0.5, -0.1, 0.0, 0.07, 0.5])
def test_hue_equals_colorsys(turns):
    image = unit_image(8, 9, 3)
    image[:3] = np.reshape(
        list(itertools.product((0.0, 0.5, 1.0), repeat=3)), (3, 9, 3)
    )  # grays and ties too
    np.testing.assert_allclose(shift_hue(image, turns), hue_reference(image, turns), atol=3e-6)


def test_a_hue_shift_keeps_gray_and_moves_every_other_pixel():
    image = unit_image(8, 9, 3)
    image[:4] = image[:4, :, :1]
    change = np.abs(shift_hue(image, 0.3) - image).max(axis=-1)
    assert change[:4].max() < 1e-6 and change[4:].min() > 1e-3


def test_jitter_applies_its_draw_in_the_drawn_order():
    image = unit_image(6, 5, 3)
    arguments = dict(zip(("brightness", "contrast", "saturation"), STRENGTHS), hue=HUE, probability=0.8)
    got = over_keys(lambda key: color.color_jitter(jnp.asarray(image), key, **arguments), 60)
    draws = over_keys(lambda key: color.draw_jitter(key, STRENGTHS, HUE, 0.8), 60)
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
    assert len(seen) > 12  # the order differs from example to example


@pytest.mark.parametrize("strengths,hue", [(STRENGTHS, 0.0), (STRENGTHS, HUE), ((0.0, 0.0, 0.0), HUE)])
def test_the_schedules_for_cpu_and_gpu_agree(strengths, hue):
    planes = color.to_planes(jnp.asarray(unit_image(6, 5, 3)))

    def both(key):
        draw = color.draw_jitter(key, strengths, hue, 1.0)
        return [
            jnp.stack(run(planes, draw, has_hue=hue > 0)) for run in (color.one_by_one, color.in_two_passes)
        ]

    # At level 0, which the tests set, jax 0.12.0 miscompiles `in_two_passes` for a CPU, which only runs it here.
    run = jax.jit(jax.vmap(both), compiler_options={"xla_backend_optimization_level": 1})
    np.testing.assert_allclose(*run(jax.random.split(jax.random.key(0), 60)), atol=2e-6)


def test_factors_are_uniform_and_orders_equally_likely():
    n = 24_000
    draws = over_keys(lambda key: color.draw_jitter(key, STRENGTHS, HUE, 0.8), n)
    kind, factor = draws.kind, draws.factor
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
    orders = [tuple(np.insert(k, place, 3)) for k, place in zip(kind, draws.hue_place)]
    counts = [orders.count(order) for order in itertools.permutations(range(4))]
    assert sum(counts) == n and min(counts) > 850 and max(counts) < 1150  # 1000 +- 31 expected


def test_the_draws_of_one_image_are_independent():
    draws = over_keys(lambda key: color.draw_jitter(key, STRENGTHS, HUE, 0.5), 4000)
    factors = [draws.factor[draws.kind == kind] for kind in range(3)]
    drawn = np.stack([*factors, draws.hue_shift, draws.hue_place, draws.applied, draws.kind[:, 0]])
    correlation = np.corrcoef(drawn) - np.eye(len(drawn))
    assert np.abs(correlation).max() < 0.08  # five standard errors


def test_a_strength_of_zero_omits_its_operation():
    draws = over_keys(lambda key: color.draw_jitter(key, (0.4, 0.0, 0.2), 0.0, 1.0), 1)
    assert sorted(draws.kind[0]) == [color.BRIGHTNESS, color.SATURATION]


def test_a_strength_above_one_does_not_make_negative_factors():
    draws = over_keys(lambda key: color.draw_jitter(key, (1.5, 0.0, 0.0), 0.0, 1.0), 500)
    assert 0 <= draws.factor.min() < 0.02 and 2.4 < draws.factor.max() <= 2.5


def test_grayscale_rate_and_values():
    image = unit_image(5, 5, 3)
    got = over_keys(lambda key: color.random_grayscale(jnp.asarray(image), key, probability=0.2), 4000)
    gray = np.ptp(got, axis=-1).max(axis=(1, 2)) == 0
    np.testing.assert_allclose(got[gray][0], np.repeat(gray_of(image), 3, -1), atol=1e-6)
    np.testing.assert_array_equal(got[~gray][0], image)
    assert abs(gray.mean() - 0.2) < 0.03


def test_a_gray_image_is_jittered_in_brightness_and_contrast_only():
    image = jnp.asarray(unit_image(6, 6, 1))
    key = jax.random.key(3)
    both = {"brightness": 0.4, "contrast": 0.4, "probability": 1.0}
    full = color.color_jitter(image, key, saturation=0.4, hue=0.1, **both)
    np.testing.assert_array_equal(full, color.color_jitter(image, key, saturation=0.0, hue=0.0, **both))
    color_only = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.4, "hue": 0.1}
    assert color.color_jitter(image, key, probability=1.0, **color_only) is image
    assert color.random_grayscale(image, key, probability=1.0) is image
