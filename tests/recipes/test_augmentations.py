"""What a published augmentation sets in a config, and what it leaves to the data set."""

import inspect
import pathlib
import runpy

import pytest

from contrastive_jax.augment import geometry_only
from contrastive_jax.config.presets import pretraining
from contrastive_jax.config.sections import recipe_fields
from contrastive_jax.errors import InputError
from contrastive_jax.experiment import assemble
from contrastive_jax.methods.supcon import SupCon
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
    "name", sorted({path.stem for path in CONFIGS.glob("*.py")} - {"evaluate", "linear_eval", "quickstart"})
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


def test_simclrs_tensorflow_code_resizes_with_a_cubic_kernel_and_nobody_elses_does_by_accident():
    """TensorFlow's resize widens no kernel. SwAV is PyTorch code, and SupCon's TensorFlow code resizes linearly."""
    plain, cubic = ("bilinear", True), ("bicubic", False)
    found = {name: (f["interpolation"], f["antialias"]) for name, f in fields().items()}
    assert found["simclr_cifar_tensorflow"] == found["simclr_imagenet"] == cubic
    assert found["byol"] == found["dino"] == found["deit_finetuning"] == ("bicubic", True)
    others = (
        "swav",
        "supcon_imagenet",
        "supcon_imagenet_stacked",
        "sim_augment",
        "simclr_cifar",
        "moco_v2",
        "sdssl",
    )
    assert {name: found[name] for name in others} == dict.fromkeys(others, plain)


@pytest.mark.parametrize("name", [name for name in NAMED if name != "randbit"])
def test_the_command_line_selects_a_recipe_by_its_name(name):
    assert recipe_fields(name) == NAMED[name]()


@pytest.mark.parametrize("name", ["swav", "dino"])
def test_multi_crop_views_are_refused_by_a_method_that_does_not_read_them(name, monkeypatch):
    config = pretraining("supcon", "digits,resnet8")
    config.augment.update(NAMED[name]())
    with pytest.raises(InputError, match="multi-crop views .extra_views., which this method does not read"):
        assemble(config.to_dict())
    monkeypatch.setattr(SupCon, "accepts_extra_views", True)
    assert assemble(config.to_dict()).recipe.extra_views == config.augment.extra_views


def fields():
    return {name: f(4) if name == "randbit" else f() for name, f in NAMED.items()}
