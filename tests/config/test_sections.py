"""What the command line changes beyond the field that it names."""

import sys

import numpy as np
import pytest

from contrastive_jax.config import schema
from contrastive_jax.config.presets import evaluations, pretraining
from contrastive_jax.config.sections import EVALUATION, PRETRAINING, SEVERAL, recipe_fields
from contrastive_jax.data import sources
from contrastive_jax.errors import InputError
from contrastive_jax.experiment import LearningRate, assemble
from contrastive_jax.recipes import augmentations

VIEWS = """
def microscopy():
    return {"flip": 0.5, "rotation": 180.0, "size": 48}

def deeper(depth):
    return {}

def misspelt():
    return {"rotatoin": 1.0}

def nothing():
    return None

number = 3
"""
DATA = """
import numpy as np
from contrastive_jax.data.dataset import Dataset

def load_slides(location, split, data_dir):
    images = np.full((6, 8, 8, 3), int(location or 0), np.uint8)
    return Dataset(images, np.arange(6, dtype=np.int32) % 2, 2, f"slides {split} {data_dir}")

def load_nothing(location, split, data_dir):
    return []
"""


@pytest.fixture
def lab(tmp_path, monkeypatch):
    (tmp_path / "lab_views.py").write_text(VIEWS)
    (tmp_path / "lab_data.py").write_text(DATA)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "lab_views", raising=False)
    monkeypatch.delitem(sys.modules, "lab_data", raising=False)


def resolved(overrides, argument="digits,resnet8"):
    """The config of a command line that sets these fields."""
    config = pretraining("supcon", argument).to_dict()
    for path, value in overrides.items():
        section, _, field = path.partition(".")
        config[section][field] = value
    return PRETRAINING.resolve(config, overrides)


def test_another_optimizer_brings_its_fields_and_drops_the_old_ones():
    found = resolved({"optimizer.name": "adamw", "optimizer.b2": 0.99})["optimizer"]
    assert found == {
        "name": "adamw",
        "b1": 0.9,
        "b2": 0.99,
        "eps": 1e-8,
        "weight_decay": 0.0,  # both have it, so the file's stays
        "decay": "all",
        "exclude": (),
    }


def test_a_field_that_the_other_component_lacks_stays_to_be_refused():
    config = resolved({"optimizer.name": "adamw", "optimizer.nesterov": True})
    with pytest.raises(InputError, match="config.optimizer.nesterov is unknown"):
        assemble(config)


def test_the_config_itself_is_not_changed():
    config = pretraining("supcon", "digits,resnet8").to_dict()
    config["optimizer"]["name"] = "lars"
    before = {key: dict(value) if isinstance(value, dict) else value for key, value in config.items()}
    PRETRAINING.resolve(config, {"optimizer.name"})
    assert config == before


def test_a_linear_evaluation_resolves_too():
    config = {"knn": (5,), "protocol": {}, "optimizer": {"name": "lars"}, "schedule": {"name": "step"}}
    found = EVALUATION.resolve(config, {"optimizer.name"})
    assert found["optimizer"]["trust_coefficient"] == 0.001 and found["schedule"] == {"name": "step"}


def test_an_evaluation_resolves_to_the_sections_that_are_asked_for():
    config = evaluations("knn", "ridge").to_dict()
    assert SEVERAL.resolve(config, {"knn.ks"}) == config and config.keys() & SEVERAL.fixed.keys() == {
        "knn",
        "ridge",
    }


@pytest.mark.parametrize("name", ["moco_v3", "byol", "supcon_imagenet"])
def test_a_recipe_by_name_replaces_the_fields_but_not_those_of_the_command_line(name):
    found = resolved({"augment.recipe": name, "augment.flip": 0.125})["augment"]
    published = getattr(augmentations, name)()
    before = pretraining("supcon", "digits,resnet8").to_dict()["augment"]
    assert found == before | published | {"recipe": name, "flip": 0.125}
    assert assemble(resolved({"augment.recipe": name})).recipe.recipe == name


def test_a_recipe_leaves_the_statistics_and_the_size_to_the_data_set():
    found = resolved({"augment.recipe": "moco_v3"}, "imagenet,resnet8")["augment"]
    assert found["size"] == 224 and found["mean"] == (0.485, 0.456, 0.406)


def test_a_recipe_of_the_users(lab):
    found = resolved({"augment.recipe": "lab_views:microscopy", "augment.size": 32})["augment"]
    assert (found["rotation"], found["size"]) == (180.0, 32)
    assert found["gray_probability"] == 0.2, "what the recipe does not name stays"
    assert found["recipe"] == "lab_views:microscopy"


@pytest.mark.parametrize(
    "name, words",
    [
        ("moco_v4", "unknown augmentation recipe 'moco_v4': did you mean 'moco_v"),
        ("randbit", "needs bits"),
        ("lab_views:deeper", "needs depth"),
        ("lab_views:misspelt", "sets an unknown field 'rotatoin': did you mean 'rotation'"),
        ("lab_views:nothing", "returned a NoneType"),
        ("lab_views:number", "is not a function"),
        ("lab_views:none", "'lab_views' has no 'none'"),
    ],
)
def test_a_wrong_recipe_is_refused(lab, name, words):
    with pytest.raises(InputError) as refusal:
        recipe_fields(name)
    assert words in str(refusal.value)


def test_a_config_file_cannot_name_a_recipe():
    config = pretraining("supcon", "digits,resnet8").to_dict()
    config["augment"]["recipe"] = "moco_v3"
    with pytest.raises(InputError, match="config.augment.update"):
        PRETRAINING.resolve(config, {"seed"})


def test_a_source_by_import_path(lab):
    images = sources.load("lab_data:load_slides:7", "train", "somewhere")
    assert images.images.max() == 7 and images.name == "slides train somewhere"
    assert sources.load("lab_data:load_slides", "test").images.max() == 0
    assert sources.find_loader("lab_data:load_slides:/a:b,c")[1] == "/a:b,c"


@pytest.mark.parametrize(
    "name, words",
    [
        ("fodler:/my/pictures", "there is no data source 'fodler'; did you mean 'folder'"),
        ("tfd:cifar10", "there is no data source 'tfd'; did you mean 'tfds'"),
        ("no_lab.data:load", "there is no module 'no_lab'"),
        ("lab_data:load_slidse", "has no 'load_slidse': did you mean 'load_slides'"),
        ("lab_data:load_nothing", "returned a list"),
    ],
)
def test_a_wrong_source_is_refused(lab, name, words):
    with pytest.raises(InputError) as refusal:
        sources.load(name, "train")
    assert words in str(refusal.value)


def test_a_network_of_the_users_in_a_configs_argument(tmp_path, monkeypatch):
    (tmp_path / "lab_nets.py").write_text(
        "from contrastive_jax.models.resnet import ResNet\n\nclass TinyNet(ResNet):\n    width: int = 4\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    config = pretraining("supcon", "digits,lab_nets:TinyNet").to_dict()
    assert config["network"]["name"] == "lab_nets:TinyNet" and config["network"]["width"] == 4
    method = assemble(config).method(num_classes=2, labels=np.arange(8) % 2)
    assert type(method.encoder).__name__ == "TinyNet"


def test_an_integer_becomes_a_float_where_one_is_due():
    assert type(schema.build(LearningRate, "learning_rate", {"peak": 1}).peak) is float
