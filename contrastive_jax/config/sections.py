"""The sections of a config, and how the command line changes more than the field that it names.

`--config.optimizer.name=lars` brings the fields of LARS, and `--config.augment.recipe=moco_v3` those of a recipe.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from contrastive_jax import experiment, models
from contrastive_jax.config import registry, schema
from contrastive_jax.config.presets import DATASETS
from contrastive_jax.config.registry import Registry
from contrastive_jax.data import sources
from contrastive_jax.errors import InputError, either, nearest
from contrastive_jax.evaluate.evaluations import EVALUATIONS
from contrastive_jax.evaluate.protocol import Protocol
from contrastive_jax.evaluate.settings import Evaluation, Evaluations

RECIPES = "contrastive_jax.recipes.augmentations"


@dataclasses.dataclass(frozen=True)
class Sections:
    """The layout of a kind of config."""

    top: type
    """The dataclass of the top-level fields."""
    fixed: Mapping[str, type]
    """Sections whose class is fixed."""
    chosen: Mapping[str, Registry]
    """Sections whose class is named by their field `name`."""
    example: str
    """A config file of this kind."""

    @functools.cached_property
    def notes(self) -> dict[str, str]:
        """What the fields' docstrings cannot list, by field or section: the names that are valid there."""
        recipes = ", ".join(name for name, f in registry.functions(RECIPES).items() if not _required(f))
        loaders = f"One of {', '.join(sources.schemes())}, or the import path of a function, module:function."
        presets = f"A config's argument names a preset: {', '.join(DATASETS)}."
        return {
            "network": f"A config's argument names a published network: {', '.join(models.members())}.",
            "data.source": f"{loaders} {presets}",
            "source": loaders,
            "augment.recipe": f"One of {recipes}, or the import path of a function, module:function.",
        }

    def resolve(self, config: Mapping[str, Any], overridden: Collection[str]) -> dict[str, Any]:
        """The config with every field of the components that it names.

        Where the command line names another component than the config file, the fields of the file's component leave
        the section and the defaults of the new one come in. Fields that the command line sets always win.

        Args:
          config: the config file's sections with the command line's values.
          overridden: the fields that the command line sets, as `section.field`.

        Raises:
          InputError: an unknown field, section, component or recipe, or a recipe that the config file names.
        """
        self.refuse_unknown(config)
        resolved = {
            key: dict(value) if isinstance(value, Mapping) else value for key, value in config.items()
        }
        for section in self.chosen.keys() & resolved.keys():
            if f"{section}.name" in overridden:
                cls = self.chosen[section].find(resolved[section]["name"])
                kept = {
                    key: value
                    for key, value in resolved[section].items()
                    if key == "name" or key in schema.schema(cls) or f"{section}.{key}" in overridden
                }
                resolved[section] = schema.defaults(cls) | kept
        if recipe := resolved.get("augment", {}).get("recipe"):
            if "augment.recipe" not in overridden:
                raise InputError(
                    f"the config file sets augment.recipe = '{recipe}', which records what the command line chose:"
                    " set the recipe's fields there, with config.augment.update(...)."
                )
            chosen = recipe_fields(recipe)
            resolved["augment"] |= {k: v for k, v in chosen.items() if f"augment.{k}" not in overridden}
        return resolved

    def refuse_unknown(self, paths: Iterable[str]) -> None:
        """Raises InputError for the first path, `field` or `section.field`, that begins with neither a section nor a
        top-level field, or goes into a top-level field as if it were a section.
        """
        sections, top = [*self.fixed, *self.chosen], schema.schema(self.top)
        for path in paths:
            name, _, field = path.partition(".")
            if name not in sections and (field or name not in top):
                wrong = (
                    f"{path} is unknown, for {name} is not a section" if name in top else f"{name} is unknown"
                )
                raise InputError(f"config.{wrong}: {self._meant(field if name in top else name)}")

    def _meant(self, name: str) -> str:
        """Where a field of that name is, or what sections and top-level fields there are."""
        homes = [f"{section}.{name}" for section, cls in self.fixed.items() if name in schema.schema(cls)]
        if homes:
            return f"did you mean {either(repr(home) for home in homes)}?"
        return nearest(name, [*self.fixed, *self.chosen, *schema.schema(self.top)])


PRETRAINING = Sections(
    experiment.Run, experiment.SECTIONS, experiment.CHOICES, example="configs/selfcon_s.py:cifar100,resnet18"
)
EVALUATION = Sections(
    Evaluation,
    {"protocol": Protocol},
    {name: experiment.CHOICES[name] for name in ("optimizer", "schedule")},
    example="configs/linear_eval.py:selfcon",
)
SEVERAL = Sections(Evaluations, EVALUATIONS, {}, example="configs/evaluate.py:knn,logistic")
"""Of the command `evaluate`: a section for each evaluation, of which a config has those that are to be done."""


def recipe_fields(name: str) -> dict[str, Any]:
    """The fields of an augmentation recipe: a function of `recipes.augmentations`, or one at an import path.

    Raises:
      InputError: no such function, one that needs arguments, or one that does not return fields of `Recipe`.
    """
    function = registry.function(RECIPES, name, "augmentation recipe")
    if required := _required(function):
        raise InputError(
            f"augmentation recipe '{name}' needs {', '.join(required)}: call it in a config file, with"
            " config.augment.update(...)."
        )
    fields = function()
    known = schema.schema(experiment.SECTIONS["augment"])
    if not isinstance(fields, Mapping):
        raise InputError(
            f"augmentation recipe '{name}' returned a {type(fields).__name__}: it must return a dict of fields."
        )
    for key in fields:
        if key not in known:
            raise InputError(
                f"augmentation recipe '{name}' sets an unknown field '{key}': {nearest(key, known)}"
            )
    return dict(fields)


def _required(function: Callable[..., Any]) -> list[str]:
    """The arguments that a function cannot be called without."""
    return [p.name for p in inspect.signature(function).parameters.values() if p.default is p.empty]
