"""What a published augmentation sets in a config, and what it leaves to the data set."""

import inspect
import pathlib
import runpy

import pytest

from contrastive_jax.augment import geometry_only
from contrastive_jax.config.presets import pretraining
from contrastive_jax.experiment import assemble
from contrastive_jax.recipes import augmentations

CONFIGS = pathlib.Path(__file__).parents[2] / "configs"
NAMED = {name: f for name, f in vars(augmentations).items() if inspect.isfunction(f) and name[0] != "_"}


@pytest.mark.parametrize("dataset, size, fraction", [("cifar10", 0, 1.0), ("imagenet", 224, 0.875)])
def test_a_recipe_keeps_the_size_of_the_preset(dataset, size, fraction):
    config = pretraining("simclr", f"{dataset},resnet18")
    config.augment.update(augmentations.moco_v3())
    assert (config.augment.size, config.augment.center_fraction) == (size, fraction)
    assert config.augment.solarize_probability == (0.0, 0.2)


@pytest.mark.parametrize(
    "name", sorted({path.stem for path in CONFIGS.glob("*.py")} - {"quickstart", "linear_eval"})
)
def test_every_config_is_evaluated_on_224_of_256_pixels_of_imagenet(name):
    config = runpy.run_path(str(CONFIGS / f"{name}.py"))["get_config"]
    recipe = assemble(config("imagenet,resnet18").to_dict()).recipe
    assert (recipe.size, recipe.center_fraction) == (224, 224 / 256)
    assert geometry_only(recipe).center_fraction == 224 / 256  # what the linear evaluation sees


@pytest.mark.parametrize("name", NAMED)
def test_a_recipe_leaves_size_and_statistics_to_the_data_set(name):
    fields = NAMED[name](4) if name == "randbit" else NAMED[name]()
    assert not {"size", "center_fraction", "mean", "std"} & set(fields)


def test_moco_jitters_every_view_and_mocov2_blurs_half_of_them():
    first, second = augmentations.moco_v1(), augmentations.moco_v2()
    different = {field: (first[field], second[field]) for field in first if first[field] != second[field]}
    assert different == {
        "jitter_probability": (1.0, 0.8),
        "hue": (0.4, 0.1),
        "blur_probability": ((0.0,), (0.5,)),
    }
