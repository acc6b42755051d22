"""The named recipes, `geometry_only`, and the errors for fields that make no sense."""

import dataclasses
import inspect
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict
from random_images import UNIT, pixels

from contrastive_jax.augment import Recipe, add_views, geometry_only
from contrastive_jax.augment.recipe import GEOMETRY
from contrastive_jax.config.schema import build, defaults
from contrastive_jax.errors import InputError
from contrastive_jax.recipes import augmentations as recipes

NAMED = {name: f for name, f in vars(recipes).items() if inspect.isfunction(f) and name[0] != "_"}


@pytest.mark.parametrize("name", NAMED)
def test_a_named_recipe_is_a_config_section(name):
    fields = NAMED[name](4) if name == "randbit" else NAMED[name]()
    section = ConfigDict(defaults(Recipe))
    section.update(fields)  # ConfigDict refuses other types
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
    batch = {"image": pixels(2, 8, 8, 3), "label": np.arange(2)}
    made = jax.jit(add_views, static_argnums=(0, 3))(recipe, batch, jax.random.key(0), 1)
    assert set(made) == {"image", "label", "view"}
    np.testing.assert_allclose(made["view"][:, 0], batch["image"] / 255.0, atol=1e-7)
    kept = geometry_only(Recipe(size=9, pad=2, flip=0.3, random_bits=3, center_fraction=0.5))
    assert (kept.size, kept.pad, kept.flip, kept.random_bits, kept.center_fraction) == (9, 2, 0.3, 3, 0.5)


@pytest.mark.parametrize(
    "fields,sentence",
    [
        (
            {"interpolation": "biliner"},
            "interpolation is 'biliner', which does not exist; did you mean 'bilinear'",
        ),
        (
            {"policy": "randaugmnt"},
            "policy is 'randaugmnt', which does not exist; did you mean 'randaugment'",
        ),
        ({"flip": 1.5}, r"flip is 1.5; it must be a probability in \[0, 1\]\."),
        (
            {"blur_probability": (0.5, 1.5)},
            r"blur_probability is \(0.5, 1.5\); it must be a probability .*one per view",
        ),
        ({"blur_probability": ()}, r"blur_probability is \(\); it must be a probability"),
        (
            {"crop_scale": (0.5, 0.2)},
            "crop_scale is .*; it must be a pair .low, high. with 0 < low <= high <= 1",
        ),
        ({"erase_scale": (0.1, 1.2)}, "erase_scale is .*; it must be a pair .* <= 1"),
        ({"extra_views": (2,)}, r"extra_sizes is \(\); it must be one size per group of `extra_views`"),
        (
            {"extra_views": (2,), "extra_sizes": (8,), "extra_scales": (0.5, 0.1)},
            "extra_scales is .*low and high",
        ),
        ({"hue": 0.7}, "hue is 0.7; it must be in .0, 0.5."),
        ({"pad": -1}, "pad is -1; it must be 0 or more"),
        ({"random_bits": 40}, "random_bits is 40; it must be in 0..32"),
    ],
)
def test_bad_fields(fields, sentence):
    with pytest.raises(InputError, match=f"augment.{sentence}"):
        Recipe(**fields)
