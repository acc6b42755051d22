"""The files in configs/, and their configs as flat dicts: `{"schedule.warmup_epochs": 10.0, ...}`."""

import functools
import runpy

from commandline import ROOT

from contrastive_jax.config.presets import pretraining

FILES = sorted((ROOT / "configs").glob("*.py"))
PRETRAINING = [file.stem for file in FILES if file.stem not in ("evaluate", "linear_eval", "quickstart")]
"""Names of the configs that take the argument `dataset,network`."""
CHOSEN = ("optimizer", "schedule", "sampler")


@functools.cache
def module(name: str) -> dict:
    """The names that a config file defines."""
    return runpy.run_path(str(ROOT / "configs" / f"{name}.py"))


def docstring(name: str) -> str:
    return module(name)["__doc__"]


def default_argument(name: str) -> str:
    return module(name)["get_config"].__defaults__[0]


def flat(config) -> dict:
    """Fields by their dotted names, as in `--config.schedule.per=step`."""
    fields = {}
    for key, value in config.to_dict().items():
        fields |= (
            {f"{key}.{name}": v for name, v in value.items()} if isinstance(value, dict) else {key: value}
        )
    return fields


def resolved(name: str, argument: str = "") -> dict:
    get_config = module(name)["get_config"]
    return flat(get_config(argument) if argument else get_config())


def changed(name: str) -> dict:
    """The fields that the file's body moves away from `pretraining`'s values, except those of the augmentation."""
    config = resolved(name)
    names = {section: config[f"{section}.name"] for section in CHOSEN}
    start = flat(pretraining(config["method.name"], default_argument(name), **names))
    return {
        field: value
        for field, value in config.items()
        if value != start.get(field) and not field.startswith("augment.")
    }
