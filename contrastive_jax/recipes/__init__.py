"""Recipes of the papers as complete configs: one file per paper, from whose functions its files in configs/ start.

A function takes the method's name, the config's argument (`dataset,network`) and fields of the method, and returns
a `ConfigDict` in which nothing is missing. What holds for one method alone stands in that method's config, as does
a paper with a single config.
"""

from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from contrastive_jax.errors import InputError, nearest

SIZES = ("size", "center_fraction")


def third_word(argument: str, *known: str) -> tuple[str, str]:
    """The argument's data set and network, and the word behind them: one of `known`, the first where none is given."""
    rest, words = ",".join(argument.split(",")[:2]), argument.split(",")[2:] or [known[0]]
    if len(words) > 1:
        raise InputError(f"the config's argument '{argument}' has more than three words.")
    if words[0] not in known:
        raise InputError(f"the third word of '{argument}' is not known: {nearest(words[0], known)}")
    return rest, words[0]


def augment_as(config: ConfigDict, recipe: Mapping[str, Any]) -> None:
    """Sets a recipe of `data.recipes`; the sizes stay those of the data set's preset."""
    config.update(augment={name: value for name, value in recipe.items() if name not in SIZES})
