"""`--help`: what it shows of flags and config fields, and where the words come from."""

import dataclasses

import pytest

from contrastive_jax.commands.describe import COMMAND as DESCRIBE
from contrastive_jax.config import help
from contrastive_jax.config.presets import pretraining
from contrastive_jax.config.sections import PRETRAINING


@dataclasses.dataclass(frozen=True)
class Base:
    plain: int = 1
    """Words of the base,
    on two lines."""
    again: int = 2
    """Words that stay where a subclass only changes the default."""


@dataclasses.dataclass(frozen=True)
class Derived(Base):
    again: int = 3
    silent: str = ""
    own: tuple[int, ...] = ()
    """Words of its own."""

    def method(self):
        """Not a field."""


def test_the_docstring_of_a_field_is_the_string_after_it():
    assert help.field_docs(Derived) == {
        "plain": "Words of the base,\non two lines.",
        "again": "Words that stay where a subclass only changes the default.",
        "own": "Words of its own.",
    }


def test_an_entry_has_value_type_and_words():
    assert help.entry("--config.tau", 0.1, "float", " Temperature.  ") == [
        "  --config.tau=0.1 (float)",
        "      Temperature.",
    ]
    assert help.entry("--run", "", "required", "") == ["  --run=... (required)"]


def test_without_a_config_every_component_is_shown():
    text = help.page(DESCRIBE, None)
    assert "  --input=0 (int)\n      Height and width of the images" in text
    assert "  --config.batch_size=256 (int)\n      Images per step over all devices" in text
    for cls in ("method.name=SupConIn", "method.name=MoCoV3", "network.name=ViT", "optimizer.name=LARS"):
        assert f"\n{cls}\n" in text
    assert "  --config.optimizer.trust_coefficient=0.001 (float)" in text
    assert "resnet18" in text and "array_record" in text and "simclr_imagenet" in text
    for provided in ("num_classes", "encoder", "total_steps", "dtype"):
        assert f"--config.method.{provided}" not in text and f"--config.network.{provided}" not in text


def test_with_a_config_its_values_are_shown_and_no_other_component():
    config = pretraining("supcon", "digits,resnet8").to_dict()
    config["method"]["tau"] = 0.25
    text = help.page(DESCRIBE, config)
    assert "method: SupCon\n" in text and "network: ResNet\n" in text
    assert "  --config.network.depth=8 (int)" in text
    assert "  --config.method.tau=0.25 (float)\n      Temperature." in text
    assert "trust_coefficient" not in text


@pytest.mark.parametrize("section", [*PRETRAINING.fixed, *PRETRAINING.chosen])
def test_every_section_is_in_the_help(section):
    assert f"--config.{section}." in help.page(DESCRIBE, None)
