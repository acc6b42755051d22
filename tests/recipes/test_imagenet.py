"""`configs/NAME.py:imagenet` is the recipe published for ImageNet, or is refused with a command that trains."""

import re

import pytest
from commandline import ROOT
from config_files import PRETRAINING, flat, resolved
from ml_collections import ConfigDict
from published import CONFIGS, FAMILIES, fields

from contrastive_jax import main
from contrastive_jax.augment import geometry_only
from contrastive_jax.config.presets import DATASETS
from contrastive_jax.errors import InputError
from contrastive_jax.experiment import assemble

EPOCHS = {
    "byol": 1000,
    "moco": 200,
    "moco_v1": 200,
    "moco_v3": 300,
    "mcl_bank": 90,
    "mcl_moco": 200,
    "selfcon_s": 800,
    "simclr_imagenet": 1000,
    "supcon_imagenet": 350,
    "supcon_cross_entropy_imagenet": 200,
    "supcon_queue": 350,
    **{name: 300 for name in CONFIGS if name.startswith("sdssl_")},
    **{name: 800 for name in CONFIGS if name.startswith("intriguing_")},
}
"""Configs that have a recipe for ImageNet, and its epochs."""
ELSEWHERE = {
    "supcon": "supcon_imagenet",
    "supcon_in": "supcon_imagenet",
    "supcon_joint": "supcon_imagenet",
    "supcon_n_pairs": "supcon_imagenet",
    "supcon_triplet": "supcon_imagenet",
    "supcon_bank": "supcon_queue",
    "supcon_cross_entropy": "supcon_cross_entropy_imagenet",
    "cross_entropy": "supcon_cross_entropy_imagenet",
    "simclr": "simclr_imagenet",
    "mcl": "mcl_bank",
}
"""Configs that send a reader to another one."""
REFUSED = sorted(set(PRETRAINING) - set(EPOCHS))


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def refusal(name: str) -> str:
    with pytest.raises(InputError) as caught:
        resolved(name, "imagenet,resnet50")
    return str(caught.value)


def composed(*flags: str) -> dict:
    """Fields by their dotted names."""
    return flat(ConfigDict(main.COMMAND.composed(list(flags))))


@pytest.mark.parametrize("name", EPOCHS)
def test_a_recipe_for_imagenet_sees_its_pictures_and_trains_as_published(name):
    config = resolved(name, "imagenet,resnet50")
    assert config["epochs"] == EPOCHS[name]
    assert config["network.stem"] == "imagenet"
    experiment = assemble(main.COMMAND.composed([f"--config=configs/{name}.py:imagenet,resnet50"]))
    assert (experiment.recipe.size, experiment.recipe.center_fraction) == (224, 224 / 256)
    assert geometry_only(experiment.recipe).center_fraction == 224 / 256  # what the linear evaluation sees


@pytest.mark.parametrize("name", REFUSED)
def test_a_recipe_for_small_images_does_not_pass_for_one_of_imagenet(name):
    sentence = refusal(name)
    assert "this config's recipe is for small images" in sentence
    assert ("none was published for ImageNet" in sentence) == (name not in ELSEWHERE)


@pytest.mark.parametrize("name, other", ELSEWHERE.items())
def test_the_refusal_names_the_command_of_the_published_recipe(name, other):
    published = re.search(r"its own: (.*?)\. To train", refusal(name))
    assert published and published[1].startswith(f"--config=configs/{other}.py:imagenet,resnet50")
    found, theirs = composed(*published[1].split()), resolved(other, "imagenet,resnet50")
    moved = {key for key in found if found[key] != theirs.get(key)}
    assert {key for key in moved if not key.startswith("method.")} == set()
    if name != "mcl":  # whose authors have another method for ImageNet
        assert found["method.name"] == resolved(name)["method.name"]


@pytest.mark.parametrize("name", REFUSED)
def test_the_refusal_names_flags_that_train_on_imagenet_all_the_same(name):
    flags = re.search(r"write (\S+) in place of imagenet,resnet50 and add (.*)\.$", refusal(name))
    assert flags and flags[1] == "folder,resnet50"
    found = composed(f"--config=configs/{name}.py:{flags[1]}", *flags[2].split())
    for section, values in DATASETS["imagenet"].items():
        assert {field: found[f"{section}.{field}"] for field in values} == values
    assert found["epochs"] == resolved(name)["epochs"]


def test_n_pairs_on_imagenet_has_one_view_and_no_temperature():
    published = re.search(r"its own: (.*?)\. To train", refusal("supcon_n_pairs"))
    assert published
    found = composed(*published[1].split())
    assert [found[f"method.{field}"] for field in ("views", "tau", "loss_scale")] == [1, 1.0, 1.0]
    assert found["optimizer.name"] == fields(FAMILIES["supcon_imagenet"])["optimizer.name"]
