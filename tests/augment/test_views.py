"""The views of a batch: what they depend on, what differs between them, extra views, random bits, mixing, devices."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P
from PIL import Image
from random_images import OFF, UNIT, over_keys, pixels, unit_image

from contrastive_jax.augment import (
    Recipe,
    add_views,
    augment_image,
    make_views,
    normalise,
    plain,
    view_shape,
    views,
)
from contrastive_jax.augment.bits import random_bits
from contrastive_jax.errors import InputError
from contrastive_jax.recipes import augmentations as recipes

# Compiled, because eagerly every operation would be compiled separately; shared, so that equal calls compile once.
batch_with_views = jax.jit(add_views, static_argnums=(0, 3))
views_of = jax.jit(make_views, static_argnums=(0, 3))
view_of = jax.jit(augment_image, static_argnums=0)
plain_of = jax.jit(plain, static_argnums=0)

SIMCLR = Recipe(size=12, pad=2, **UNIT)
SIXTEEN_COPIES = np.repeat(pixels(1, 16, 20, 3), 16, axis=0)


# --- what a view depends on


def test_key_position_and_view_all_change_a_view():
    made = np.stack([views_of(SIMCLR, SIXTEEN_COPIES, jax.random.key(seed), 2) for seed in (0, 1)])
    assert made.shape == (2, 16, 2, 12, 12, 3) and made.dtype == np.float32
    assert made.min() >= 0 and made.max() <= 1
    flat = made.reshape(64, -1)
    distance = np.abs(flat[:, None] - flat[None]).mean(-1)
    assert distance[~np.eye(64, dtype=bool)].min() > 0.01  # each a different view of one image


def test_gray_images_have_different_views_too():
    images = SIXTEEN_COPIES[..., :1]
    made = np.asarray(views_of(SIMCLR, images, jax.random.key(0), 2))
    assert made.shape == (16, 2, 12, 12, 1) and made.min() >= 0 and made.max() <= 1
    assert len({view.tobytes() for view in made.reshape(32, -1)}) == 32


def test_nothing_else_changes_a_view():
    key = jax.random.key(0)
    made = views_of(SIMCLR, SIXTEEN_COPIES, key, 2)
    np.testing.assert_array_equal(made, views_of(SIMCLR, SIXTEEN_COPIES, key, 2))
    for position, view in [(0, 0), (3, 1)]:
        image_key = jax.random.fold_in(jax.random.fold_in(key, position), view)
        alone = view_of(SIMCLR, SIXTEEN_COPIES[position], image_key)
        np.testing.assert_allclose(made[position, view], alone, atol=2e-6)


def test_eight_devices_give_the_views_of_one():
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    images = pixels(*SIXTEEN_COPIES.shape, seed=1)
    sharded = jax.device_put(images, NamedSharding(mesh, P("data")))
    spread = views_of(SIMCLR, sharded, jax.random.key(1), 2)
    assert len(spread.sharding.device_set) == 8
    np.testing.assert_allclose(spread, views_of(SIMCLR, images, jax.random.key(1), 2), atol=2e-6)


# --- the operations of one view


def test_flip_gray_and_solarize_are_decided_independently():
    coins = dict(flip=0.5, gray_probability=0.5, solarize_probability=(0.5,))
    recipe = dataclasses.replace(OFF, **coins)
    image = pixels(6, 6, 3)
    made = over_keys(lambda key: augment_image(recipe, jnp.asarray(image), key), 800)
    gray = np.ptp(made, axis=-1).max((1, 2)) < 1e-6
    luma = [0.2989, 0.587, 0.114]
    colors = np.where(gray[:, None, None, None], (image / 255 @ luma)[..., None], image / 255)

    def same(candidate):
        return np.abs(made - candidate).max((1, 2, 3)) < 1e-5

    inverted = np.where(colors < 0.5, colors, 1 - colors)
    flipped = same(colors[:, :, ::-1]) | same(inverted[:, :, ::-1])
    solarized = same(inverted) | same(inverted[:, :, ::-1])
    assert (flipped | solarized | same(colors)).all()
    counts = np.bincount(4 * gray + 2 * flipped + solarized, minlength=8)
    assert counts.min() > 60 and counts.max() < 140  # 100 expected, with a standard error of 9.4


def test_every_operation_has_its_own_key(monkeypatch):
    names, key_of = [], views._key_of
    monkeypatch.setattr(views, "_key_of", lambda key, name: names.append(name) or key_of(key, name))
    everything = Recipe(**recipes.supcon_imagenet_stacked() | UNIT | dict(pad=2, rotation=5.0, cutmix=1.0))
    batch = {
        "image": jax.ShapeDtypeStruct((2, 8, 8, 3), jnp.uint8),
        "label": jax.ShapeDtypeStruct((2,), jnp.int32),
    }
    jax.eval_shape(lambda batch, key: add_views(everything, batch, key, 1), batch, jax.random.key(0))
    assert len(names) == len(set(names)) >= 12
    keys = {jax.random.key_data(key_of(jax.random.key(0), name)).tobytes() for name in names}
    assert len(keys) == len(names)


def test_adding_an_operation_keeps_the_draws_of_the_others():
    image, key = pixels(8, 8, 3), jax.random.key(2)
    base = dataclasses.replace(SIMCLR, jitter_probability=0.0, gray_probability=0.0)
    view = view_of(base, image, key)
    gray = view_of(dataclasses.replace(base, gray_probability=1.0), image, key)
    luma = np.asarray(view @ jnp.array([0.2989, 0.587, 0.114]))
    np.testing.assert_allclose(gray, np.repeat(luma[..., None], 3, -1), atol=1e-6)


def test_with_everything_off_the_view_is_the_image_and_equals_plain():
    images = pixels(3, 10, 10, 3)
    made = views_of(OFF, images, jax.random.key(0), 1)[:, 0]
    np.testing.assert_allclose(made, images / 255.0, atol=1e-7)
    np.testing.assert_array_equal(made, plain_of(OFF, images))


def test_an_operation_that_is_off_is_not_in_the_program():
    image, key = jnp.asarray(pixels(8, 8, 3)), jax.random.key(0)
    jaxpr = jax.make_jaxpr(lambda image, key: augment_image(OFF, image, key))(image, key)
    names = {equation.primitive.name for equation in jaxpr.eqns}
    costly = {"dot_general", "select_n", "random_bits", "gather", "dynamic_slice", "scatter-add", "jit"}
    assert not names & costly, names


def test_colors_need_one_or_three_channels():
    with pytest.raises(InputError, match="2 channels have no colors"):
        augment_image(Recipe(**UNIT), jnp.asarray(pixels(8, 8, 2)), jax.random.key(0))


# --- views that differ by their number, extra views, mixing, random bits


def test_views_differ_where_the_recipe_says_so():
    recipe = dataclasses.replace(OFF, blur_probability=(1.0, 0.0), solarize_probability=(0.0, 1.0))
    image = unit_image(8, 8, 3)
    made = views_of(recipe, (255 * image).round().astype(np.uint8)[None], jax.random.key(0), 3)[0]
    assert np.abs(made[0] - image).max() > 0.1  # blurred, not solarized
    assert np.ptp(np.asarray(made[0])) < np.ptp(image)
    for view in made[1:]:  # the last value applies to all further views
        np.testing.assert_allclose(view, np.where(image < 0.5, image, 1 - image), atol=1e-6)


BATCH = {"image": jnp.asarray(pixels(4, 10, 10, 3)), "label": jnp.arange(4)}
TWO_VIEWS = dataclasses.replace(OFF, size=8, crop_scale=(0.5, 1.0), random_bits=2)
MULTI_CROP = dataclasses.replace(
    TWO_VIEWS, extra_views=(3, 1), extra_sizes=(4, 6), extra_scales=(0.1, 0.3, 0.3, 0.5), mixup=1.0
)


def test_extra_views_and_mixing_add_entries_to_the_batch():
    plain_batch = jax.eval_shape(lambda: add_views(TWO_VIEWS, BATCH, jax.random.key(0), 2))
    assert set(plain_batch) == {*BATCH, "view"}
    batch = batch_with_views(MULTI_CROP, BATCH, jax.random.key(0), 2)
    shapes = {name: batch[name].shape for name in set(batch) - set(BATCH)}
    assert shapes == {
        "view": (4, 2, 8, 8, 5),
        "view_4": (4, 3, 4, 4, 5),
        "view_6": (4, 1, 6, 6, 5),
        "partner": (4,),
        "share": (4,),
    }
    # An extra view equals the further view of that number with its size and crop: here, view 5 of image 3.
    small = dataclasses.replace(OFF, size=6, crop_scale=(0.3, 0.5))
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(0), 3), 5)
    np.testing.assert_allclose(
        batch["view_6"][3, 0, ..., :3], view_of(small, BATCH["image"][3], key), atol=1e-6
    )


def test_the_key_changes_all_views_and_the_mixing():
    one, other = (batch_with_views(MULTI_CROP, BATCH, jax.random.key(seed), 2) for seed in (0, 1))
    for name in ("view", "view_4", "view_6"):
        difference = np.abs(one[name] - other[name])[..., :3].max((2, 3, 4))
        assert (difference > 0.01).mean() > 0.9, name  # small crops may coincide
    assert abs(one["share"][0] - other["share"][0]) > 0.01


def test_random_bits_belong_to_the_image_and_are_equal_in_all_views():
    recipe = Recipe(**recipes.randbit(6) | {"size": 8, **UNIT})
    images = pixels(5, 12, 12, 1)
    made = np.asarray(views_of(recipe, images, jax.random.key(0), 2))
    assert made.shape == (5, 2, *view_shape(recipe, 12, 12, 1)) == (5, 2, 8, 8, 7)
    channels = made[..., 1:]
    assert set(np.unique(channels)) == {0, 1} and (channels == channels[:, :1, :1, :1]).all()
    np.testing.assert_array_equal(plain_of(recipe, images)[:, 0, 0, 1:], channels[:, 0, 0, 0])
    reversed_bits = np.asarray(random_bits(jnp.asarray(images[::-1]), 6))[::-1]
    np.testing.assert_array_equal(reversed_bits, channels[:, 0, 0, 0])  # of the image, not of its position


@pytest.mark.slow
def test_eight_devices_make_the_batch_of_one():
    recipe = Recipe(
        **recipes.supcon_imagenet_stacked()
        | UNIT
        | dict(size=12, erase_probability=0.5, erase_noise=1.0, cutmix=1.0, random_bits=3)
    )
    batch = {"image": pixels(16, 14, 14, 3), "label": np.arange(16, dtype=np.int32)}
    alone = batch_with_views(recipe, batch, jax.random.key(1), 2)
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    sharded = jax.device_put(batch, NamedSharding(mesh, P("data")))
    spread = batch_with_views(recipe, sharded, jax.random.key(1), 2)
    for name, value in alone.items():
        np.testing.assert_allclose(spread[name], value, atol=5e-6, err_msg=name)


# --- evaluation


def test_plain_resizes_the_shorter_side_and_cuts_out_the_centre():
    images = pixels(2, 20, 30, 3)
    expected = [
        np.asarray(
            Image.fromarray(image[..., c].astype(np.float32) / 255)
            .resize((15, 10), Image.Resampling.BILINEAR)
            .crop((2, 0, 12, 10))
        )
        for image in images
        for c in range(3)
    ]
    expected = np.stack(expected).reshape(2, 3, 10, 10).transpose(0, 2, 3, 1)
    np.testing.assert_allclose(plain_of(Recipe(size=10, **UNIT), images), expected, atol=3e-6)
    part = plain_of(Recipe(size=14, center_fraction=0.7, **UNIT), images)
    np.testing.assert_allclose(part, images[:, 3:17, 8:22] / 255.0, atol=1e-6)


def test_normalisation_is_per_channel():
    x = unit_image(2, 3, 3)
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    expected = (x - np.array(mean)) / np.array(std)
    np.testing.assert_allclose(normalise(jnp.asarray(x), mean, std), expected, rtol=1e-5)
    with pytest.raises(InputError, match="0 values for images of 3 channel"):
        plain_of(Recipe(), pixels(1, 4, 4, 3))
