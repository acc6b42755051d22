"""What differs between views, further views, random bits, `geometry_only`, and the named recipes."""

import dataclasses
import inspect
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P
from ml_collections import ConfigDict

from contrastive_jax.augment import bits as bits
from contrastive_jax.augment.recipe import GEOMETRY, Recipe, geometry_only, view_shape
from contrastive_jax.augment.views import add_views, augment, make_views, plain
from contrastive_jax.config.schema import build, defaults
from contrastive_jax.errors import InputError
from contrastive_jax.recipes import augmentations as recipes

UNIT = {"mean": (0.0,), "std": (1.0,)}
PLAIN = recipes.crop_flip((1.0, 1.0)) | {"crop_ratio": (1.0, 1.0), "flip": 0.0} | UNIT


def pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def unit_image(*shape, seed=0):
    return pixels(*shape, seed=seed).astype(np.float32) / 255


def over_keys(function, n, seed=0):
    return jax.tree.map(np.asarray, jax.jit(jax.vmap(function))(jax.random.split(jax.random.key(seed), n)))


# --- the batch


def test_views_differ_where_the_recipe_says_so():
    recipe = Recipe(**PLAIN | {"blur_probability": (1.0, 0.0), "solarize_probability": (0.0, 1.0)})
    image = unit_image(8, 8, 3)
    views = jax.jit(make_views, static_argnums=(0, 3))(
        recipe, (255 * image).round().astype(np.uint8)[None], jax.random.key(0), 3
    )[0]
    assert np.abs(views[0] - image).max() > 0.1  # blurred, not solarized
    assert np.ptp(np.asarray(views[0])) < np.ptp(image)
    for view in views[1:]:  # the last value holds for all further views
        np.testing.assert_allclose(view, np.where(image < 0.5, image, 1 - image), atol=1e-6)


def test_extra_views_and_mixing_are_entries_of_their_own():
    recipe = Recipe(**PLAIN | {"size": 8, "crop_scale": (0.5, 1.0), "random_bits": 2})
    more = dataclasses.replace(
        recipe, extra_views=(3, 1), extra_sizes=(4, 6), extra_scales=(0.1, 0.3, 0.3, 0.5), mixup=1.0
    )
    batch = {"image": jnp.asarray(pixels(4, 10, 10, 3)), "label": jnp.arange(4)}
    run = jax.jit(add_views, static_argnums=(0, 3))
    assert set(jax.eval_shape(lambda: add_views(recipe, batch, jax.random.key(0), 2))) == {*batch, "view"}
    many = run(more, batch, jax.random.key(0), 2)
    shapes = {name: many[name].shape for name in set(many) - set(batch)}
    assert shapes == {
        "view": (4, 2, 8, 8, 5),
        "view_4": (4, 3, 4, 4, 5),
        "view_6": (4, 1, 6, 6, 5),
        "partner": (4,),
        "share": (4,),
    }
    # An extra view is what a further view of its recipe would be.
    small = dataclasses.replace(recipe, size=6, crop_scale=(0.3, 0.5))
    last = jax.jit(make_views, static_argnums=(0, 3))(small, batch["image"], jax.random.key(0), 6)[:, 5]
    np.testing.assert_allclose(many["view_6"][:, 0], last, atol=1e-6)


def test_random_bits_are_those_of_the_image_in_every_view():
    recipe = Recipe(**recipes.randbit(6) | {"size": 8, **UNIT})
    images = jnp.asarray(pixels(5, 12, 12, 1))
    views = np.asarray(jax.jit(make_views, static_argnums=(0, 3))(recipe, images, jax.random.key(0), 2))
    assert views.shape == (5, 2, *view_shape(recipe, 12, 12, 1)) == (5, 2, 8, 8, 7)
    channels = views[..., 1:]
    assert set(np.unique(channels)) == {0, 1} and (channels == channels[:, :1, :1, :1]).all()
    still = jax.jit(plain, static_argnums=0)(recipe, images)
    np.testing.assert_array_equal(still[:, 0, 0, 1:], channels[:, 0, 0, 0])
    again = np.asarray(bits.random_bits(images[::-1], 6))[::-1]
    np.testing.assert_array_equal(again, channels[:, 0, 0, 0])  # of the image, not of its place


def test_image_hash_is_uniform_and_mixes_every_pixel():
    images = pixels(4096, 4, 4, 1)
    images[:2048, 0] = 0  # dark corners as digits have
    integers = np.asarray(bits.image_hash(jnp.asarray(images)))
    assert len(np.unique(integers)) == 4096
    counts = np.bincount(integers & 15, minlength=16)
    assert counts.min() > 256 - 64 and counts.max() < 256 + 64  # four standard errors
    images[:, 2, 1] ^= 1
    changed = np.asarray(bits.image_hash(jnp.asarray(images))) ^ integers
    flipped = np.unpackbits(changed.view(np.uint8)).mean()
    assert abs(flipped - 0.5) < 0.01


# --- recipes


NAMED = {name: f for name, f in vars(recipes).items() if inspect.isfunction(f) and name[0] != "_"}


@pytest.mark.parametrize("name", NAMED)
def test_a_named_recipe_is_a_config_section(name):
    fields = NAMED[name](4) if name == "randbit" else NAMED[name]()
    section = ConfigDict(defaults(Recipe))
    section.update(fields)  # refuses other types
    recipe = build(Recipe, "augment", json.loads(json.dumps(section.to_dict())))
    assert hash(recipe) == hash(Recipe(**fields))
    assert geometry_only(recipe) == geometry_only(geometry_only(recipe))


@pytest.mark.parametrize("name", ["supcon_imagenet_stacked", "sim_augment", "dino", "deit_finetuning"])
def test_a_recipe_can_be_traced(name):
    recipe = Recipe(**NAMED[name]() | {"size": 12, **UNIT})
    batch = {
        "image": jax.ShapeDtypeStruct((2, 16, 20, 3), jnp.uint8),
        "label": jax.ShapeDtypeStruct((2,), jnp.int32),
    }
    shapes = jax.eval_shape(lambda b: add_views(recipe, b, jax.random.key(0), 2), batch)
    assert shapes["view"].shape == (2, 2, 12, 12, 3)


def test_geometry_only_switches_off_everything_else():
    on = {
        field.name: value
        for field in dataclasses.fields(Recipe)
        for value in [getattr(Recipe(), field.name)]
        if field.name not in GEOMETRY
    }
    on |= {name: 0.7 for name, value in on.items() if name.endswith("probability") and value != (0.0,)}
    on |= {"blur_probability": (0.7,), "solarize_probability": (0.7,), "rotation": 9.0, "cutout": 3}
    on |= {"policy": "randaugment", "mixup": 1.0, "cutmix": 1.0}
    on |= {"extra_views": (1,), "extra_sizes": (4,), "extra_scales": (0.1, 0.2)}
    off = {"crop_scale": (1.0, 1.0), "crop_ratio": (1.0, 1.0), "flip": 0.0}
    recipe = geometry_only(Recipe(**on, **off, **UNIT))
    batch = {"image": jnp.asarray(pixels(2, 8, 8, 3)), "label": jnp.arange(2)}
    made = jax.jit(add_views, static_argnums=(0, 3))(recipe, batch, jax.random.key(0), 1)
    assert set(made) == {"image", "label", "view"}
    np.testing.assert_allclose(made["view"][:, 0], batch["image"] / 255.0, atol=1e-7)
    kept = geometry_only(Recipe(size=9, pad=2, flip=0.3, random_bits=3, center_fraction=0.5))
    assert (kept.size, kept.pad, kept.flip, kept.random_bits, kept.center_fraction) == (9, 2, 0.3, 3, 0.5)


def test_what_is_off_is_not_in_the_program():
    recipe = Recipe(**PLAIN)
    jaxpr = jax.make_jaxpr(lambda image, key: augment(recipe, image, key))(
        jnp.asarray(pixels(8, 8, 3)), jax.random.key(0)
    )
    names = {equation.primitive.name for equation in jaxpr.eqns}
    assert not names & {"dot_general", "select_n", "random_bits", "gather", "scatter-add", "jit"}, names


def test_colors_need_one_or_three_channels():
    with pytest.raises(InputError, match="2 channels have no colors"):
        augment(Recipe(**UNIT), jnp.asarray(pixels(8, 8, 2)), jax.random.key(0))


@pytest.mark.parametrize(
    "fields,sentence",
    [
        ({"policy": "randaugmnt"}, "policy 'randaugmnt' is unknown"),
        ({"blur_probability": (0.5, 1.5)}, "blur_probability must be a probability"),
        ({"blur_probability": ()}, "blur_probability must be a probability"),
        ({"extra_views": (2,)}, "extra_sizes must be one different size"),
        ({"extra_views": (2,), "extra_sizes": (8,), "extra_scales": (0.5, 0.1)}, "extra_scales must be"),
        ({"erase_scale": (0.1, 1.2)}, "erase_scale must be a pair"),
        ({"random_bits": 40}, "random_bits must be in 0..32"),
    ],
)
def test_a_bad_field_is_refused_with_a_sentence(fields, sentence):
    with pytest.raises(InputError, match=f"augment.{sentence}"):
        Recipe(**fields)


@pytest.mark.slow
def test_eight_devices_make_the_batch_of_one():
    recipe = Recipe(
        **recipes.supcon_imagenet_stacked()
        | UNIT
        | dict(size=12, erase_probability=0.5, erase_noise=1.0, cutmix=1.0, random_bits=3)
    )
    batch = {"image": pixels(16, 14, 14, 3), "label": np.arange(16, dtype=np.int32)}
    run = jax.jit(add_views, static_argnums=(0, 3))
    alone = run(recipe, jax.tree.map(jnp.asarray, batch), jax.random.key(1), 2)
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    spread = run(recipe, jax.device_put(batch, NamedSharding(mesh, P("data"))), jax.random.key(1), 2)
    for name, value in alone.items():
        np.testing.assert_allclose(spread[name], value, atol=5e-6, err_msg=name)
