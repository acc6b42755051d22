"""The third word of a config's argument, and what a published augmentation may not change."""

import runpy

import pytest
from commandline import ROOT

from contrastive_jax.config.presets import pretraining
from contrastive_jax.errors import InputError
from contrastive_jax.recipes import augment_as, third_word
from contrastive_jax.recipes import augmentations as recipes


def config(file: str, argument: str):
    return runpy.run_path(str(ROOT / "configs" / f"{file}.py"))["get_config"](argument)


def test_third_word_is_one_of_the_known_and_the_first_by_default():
    assert third_word("cifar10", "v2", "v1") == ("cifar10", "v2")
    assert third_word("cifar10,resnet18", "v2", "v1") == ("cifar10,resnet18", "v2")
    assert third_word("cifar10,resnet18,v1", "v2", "v1") == ("cifar10,resnet18", "v1")
    with pytest.raises(InputError, match="'baseline' in .* is one word too many"):
        config("supcon", "cifar10,resnet18,baseline")
    with pytest.raises(InputError, match="did you mean 'baseline'"):
        third_word("cifar10,resnet18,basline", "distilled", "baseline")
    with pytest.raises(InputError, match="more than three words"):
        third_word("cifar10,resnet18,v1,v1", "v2", "v1")


@pytest.mark.parametrize("dataset, size", [("cifar10", 0), ("imagenet", 224)])
def test_a_published_augmentation_keeps_the_size_of_the_preset(dataset, size):
    changed = pretraining("simclr", f"{dataset},resnet18")
    augment_as(changed, recipes.moco_v3())
    assert (changed.augment.size, changed.augment.center_fraction) == (size, 1.0)
    assert changed.augment.solarize_probability == (0.0, 0.2)


@pytest.mark.parametrize(
    "file, word, method",
    [
        ("sdssl_simclr", "baseline", "simclr"),
        ("sdssl_byol", "baseline", "byol"),
        ("sdssl_moco_v3", "baseline", "moco_v3"),
        ("sdssl_moco_v3", "distilled", "sdssl_moco_v3"),
    ],
)
def test_sdssl_beside_its_baseline(file, word, method):
    changed = config(file, f"cifar10,resnet18,{word}")
    assert changed.method.name == method
    assert ("alpha" in changed.method) == bool(changed.network.subnetworks) == (word != "baseline")


def test_one_stage_training_on_logits_halves_beta():
    weights = [
        config("selfcon_1stage_crd", f"cifar10,resnet18,{w}").method.beta for w in ("features", "logits")
    ]
    assert weights == [0.8, 0.5]
