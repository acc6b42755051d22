"""Every config file states its command, names only fields and files that exist, shows its numbers, and assembles."""

import ast
import re

import numpy as np
import pytest
from absl import flags
from commandline import ROOT
from config_files import FILES, PRETRAINING, default_argument, docstring, module, resolved
from ml_collections import config_flags
from published import VARIANTS

from contrastive_jax.commands.evaluate import parts as evaluations_of
from contrastive_jax.config.presets import words
from contrastive_jax.config.schema import defaults
from contrastive_jax.errors import InputError
from contrastive_jax.evaluate.evaluations import EVALUATIONS
from contrastive_jax.experiment import CHOICES, assemble, section_class
from contrastive_jax.linear_eval import parts

STEMS = [file.stem for file in FILES]
SHOWN = (
    "pretraining(",
    "config.method.update(",
    "config.augment.update(augmentations.",
    "epochs=",
    "batch_size=",
    "config.learning_rate.update(peak=",
    "config.optimizer.update(",
    "config.schedule.update(",
)
"""What a reader finds in the body of every pretraining config."""


def overrides(name: str) -> dict[str, str]:
    """Fields that the docstring sets on the command line, with the values as they are written."""
    return dict(re.findall(r"--config\.([\w.]+)=([^\s`]+)", docstring(name)))


@pytest.mark.parametrize("name", PRETRAINING)
def test_the_docstring_states_the_command_and_the_argument(name):
    argument = default_argument(name)
    text = docstring(name)
    assert f"python -m contrastive_jax.main --config=configs/{name}.py:{argument} --workdir=" in text
    assert f"Argument: dataset,network (default {argument})." in text


@pytest.mark.parametrize("name", STEMS)
def test_every_command_in_the_docstring_names_a_config_that_exists(name):
    commands = re.findall(r"--config=configs/(\w+)\.py(?::([\w,]+))?", docstring(name))
    assert name in [file for file, _ in commands]
    for file, argument in commands:
        resolved(file, argument)
    for file in re.findall(r"`(\w+)\.py", docstring(name)):
        assert file in STEMS


@pytest.mark.parametrize("name", PRETRAINING)
def test_every_override_in_the_docstring_sets_a_field(name):
    config, given = resolved(name), overrides(name)
    known = set(config) | {field for field in resolved("linear_eval") if field.startswith("protocol.")}
    for section in set(CHOICES):  # a docstring may choose another class, whose fields count as well
        if f"{section}.name" in given:
            cls = section_class(section, {"name": given[f"{section}.name"]})
            known |= {f"{section}.{field}" for field in defaults(cls)}
    assert set(given) - {"pretrained"} <= known


@pytest.mark.parametrize("name", PRETRAINING)
def test_the_body_shows_the_numbers_and_stays_short(name):
    source = next(file for file in FILES if file.stem == name).read_text()
    body = next(n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef))
    text = ast.get_source_segment(source, body)
    assert [token for token in SHOWN if token not in text] == []
    assert len(text.splitlines()) <= 26


@pytest.mark.parametrize("protocol", module("linear_eval")["PROTOCOLS"])
def test_every_linear_protocol_assembles_and_is_documented(protocol):
    get_config = module("linear_eval")["get_config"]
    _, built = parts({**get_config(protocol).to_dict(), "pretrained": "somewhere"})
    assert built.schedule.schedule(1.0, epochs=built.epochs, steps_per_epoch=10.0)(0) >= 0
    assert f"\n    {protocol} " in docstring("linear_eval")
    assert f"| `{protocol}` |" in (ROOT / "docs" / "evaluation.md").read_text()


@pytest.mark.parametrize("name", EVALUATIONS)
def test_every_evaluation_has_a_section_and_is_documented(name):
    config = module("evaluate")["get_config"](name).to_dict()
    assert [*evaluations_of({**config, "pretrained": "somewhere"})[1]] == [name]
    assert f"\n    {name} " in docstring("evaluate")
    assert f"| `{name}` |" in (ROOT / "docs" / "evaluation.md").read_text()


@pytest.mark.parametrize("name", [*PRETRAINING, "quickstart"])
def test_the_config_assembles(name):
    experiment = assemble(module(name)["get_config"]().to_dict())
    assert experiment.method(num_classes=10, labels=np.arange(2000) % 10).views >= 1
    assert experiment.learning_rate_schedule(100)(0) >= 0


@pytest.mark.parametrize("name, argument", VARIANTS)
def test_the_config_assembles_for_other_arguments(name, argument):
    experiment = assemble(module(name)["get_config"](argument).to_dict())
    assert experiment.method(num_classes=10, labels=np.arange(2000) % 10).views >= 1


@pytest.mark.parametrize("name", ["supcon", "moco", "sdssl_byol", "intriguing_swd", "selfcon_1stage_crd"])
def test_a_third_word_is_refused(name):
    with pytest.raises(InputError, match="'v1' in .* is one word too many: give dataset,network."):
        resolved(name, "cifar10,resnet18,v1")


def test_the_argument_is_a_data_set_and_a_network():
    assert words("cifar10") == ("cifar10", "resnet18")
    assert words("cifar10,vit_tiny_4") == ("cifar10", "vit_tiny_4")
    assert words("cifar10,my_lab.nets:TinyNet") == ("cifar10", "my_lab.nets:TinyNet")


def test_an_import_path_in_the_argument_keeps_its_colon(tmp_path):
    file = tmp_path / "echo.py"
    file.write_text(
        "from ml_collections import ConfigDict\n"
        "def get_config(argument):\n    return ConfigDict({'argument': argument})\n"
    )
    values = flags.FlagValues()
    config_flags.DEFINE_config_file("config", flag_values=values)
    values(["program", f"--config={file}:cifar10,my_lab.nets:TinyNet"])
    assert values.config.argument == "cifar10,my_lab.nets:TinyNet"
