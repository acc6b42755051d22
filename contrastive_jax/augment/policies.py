"""AutoAugment and RandAugment: which operations an image gets, and how strong they are.

A policy is a table of choices; each draw picks one and runs its operations. AutoAugment (Cubuk et al. 2018) draws
once from 25 pairs of operations, each with its probability. RandAugment (Cubuk et al. 2019) draws N times from
single operations. Levels run from 0 to 1 here and are turned into amounts in one of two ways: as in the papers and
torchvision, or as in Google's TensorFlow code, which SupCon used on ImageNet.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from contrastive_jax.augment.pil import NUMBER, Operation, apply


class Policy(NamedTuple):
    """`rounds` draws from a table with one row per choice and one column per operation of a choice."""

    rounds: int
    kind: np.ndarray
    probability: np.ndarray
    amount: np.ndarray
    """[choice, operation, 2]: the amounts for a positive and a negative sign, which are equally likely."""


Amounts = tuple[float, float]
Builder = Callable[[int, float, int], Policy]
"""(layers, magnitude, side of the image) -> policy."""


def random_policy(
    image: Float[Array, "height width channel"],
    key: Key[Array, ""],
    *,
    policy: str,
    layers: int,
    magnitude: float,
    fill: int,
) -> Float[Array, "height width channel"]:
    """Applies a policy to an image in [0, 1], which is rounded to 8 bits because PIL's arithmetic is the definition.

    Args:
      policy: a key of `POLICIES`.
      layers, magnitude: RandAugment's N and M; ignored by AutoAugment.
      fill: gray value of pixels from outside the image.
    """
    table = POLICIES[policy](layers, magnitude, min(image.shape[:2]))
    if table.rounds == 0:
        return image
    levels = jnp.round(image * 255.0).astype(jnp.uint8)
    for operation in draw(key, table):
        levels = apply(levels, operation, fill)
    return levels.astype(jnp.float32) / 255.0


def draw(key: Key[Array, ""], policy: Policy) -> list[Operation]:
    """Draws the operations of one image; an operation that its probability skips becomes the identity."""
    choices, columns = policy.kind.shape
    uniform = jax.random.uniform(key, (policy.rounds, 1 + 4 * columns))
    operations = []
    for row in uniform:
        choice = jnp.floor(row[0] * choices).astype(jnp.int32)
        for column, (coin, sign, *centre) in enumerate(row[1:].reshape(columns, 4)):
            taken = coin < jnp.asarray(policy.probability)[choice, column]
            kind = jnp.where(taken, jnp.asarray(policy.kind)[choice, column], NUMBER["identity"])
            amounts = jnp.asarray(policy.amount)[choice, column]
            amount = jnp.where(sign < 0.5, amounts[0], amounts[1])
            operations.append(Operation(kind, amount, jnp.stack(centre)))
    return operations


def paper_amount(name: str, level: float, side: int) -> Amounts:
    """The papers' ranges as implemented in torchvision; translations are in whole pixels of an image of this side."""
    signed = {
        "shear_x": 0.3 * level,
        "shear_y": 0.3 * level,
        "translate_x": float(int(150 / 331 * side * level)),
        "translate_y": float(int(150 / 331 * side * level)),
        "rotate": 30 * level,
    }
    if name in signed:
        return signed[name], -signed[name]
    if name in ENHANCE:
        return 1 + 0.9 * level, 1 - 0.9 * level
    amount = {"posterize": float(8 - round(4 * level)), "solarize": 255 * (1 - level)}.get(name, 0.0)
    return amount, amount


def tensorflow_amount(name: str, level: float, side: int, *, shift: float) -> Amounts:
    """The ranges of TensorFlow's model garden; its pixel counts are for side 224 and scale with the side here."""
    scale = side / 224
    signed = {
        "shear_x": 0.3 * level,
        "shear_y": 0.3 * level,
        "translate_x": shift * level * scale,
        "translate_y": shift * level * scale,
        "rotate": 30 * level,
    }
    if name in signed:
        return signed[name], -signed[name]
    amount = {
        **dict.fromkeys(ENHANCE, 1.8 * level + 0.1),
        "posterize": float(int(4 * level)),
        "solarize": float(int(256 * level)),
        "solarize_add": float(int(110 * level)),
        "cutout": float(int(40 * level * scale)),
    }.get(name, 0.0)
    return amount, amount


ENHANCE = ("brightness", "contrast", "color", "sharpness")

CIFAR10 = """
invert .1 0, contrast .2 6; rotate .7 2, translate_x .3 9; sharpness .8 1, sharpness .9 3
shear_y .5 8, translate_y .7 9; autocontrast .5 0, equalize .9 0; shear_y .2 7, posterize .3 7
color .4 3, brightness .6 7; sharpness .3 9, brightness .7 9; equalize .6 0, equalize .5 0
contrast .6 7, sharpness .6 5; color .7 7, translate_x .5 8; equalize .3 0, autocontrast .4 0
translate_y .4 3, sharpness .2 6; brightness .9 6, color .2 8; solarize .5 2, invert 0 0
equalize .2 0, autocontrast .6 0; equalize .2 0, equalize .6 0; color .9 9, equalize .6 0
autocontrast .8 0, solarize .2 8; brightness .1 3, color .7 0; solarize .4 5, autocontrast .9 0
translate_y .9 9, translate_y .7 9; autocontrast .9 0, solarize .8 3; equalize .8 0, invert .1 0
translate_y .7 9, autocontrast .9 0
"""
"""The AutoAugment paper's Table 7: operation, probability, level from 0 to 9."""

IMAGENET = """
posterize .4 8, rotate .6 9; solarize .6 5, autocontrast .6 0; equalize .8 0, equalize .6 0
posterize .6 7, posterize .6 6; equalize .4 0, solarize .2 4; equalize .4 0, rotate .8 8
solarize .6 3, equalize .6 0; posterize .8 5, equalize 1 0; rotate .2 3, solarize .6 8
equalize .6 0, posterize .4 6; rotate .8 8, color .4 0; rotate .4 9, equalize .6 0
equalize 0 0, equalize .8 0; invert .6 0, equalize 1 0; color .6 4, contrast 1 8
rotate .8 8, color 1 2; color .8 8, solarize .8 7; sharpness .4 7, invert .6 0
shear_x .6 5, equalize 1 0; color .4 0, equalize .6 0; equalize .4 0, solarize .2 4
solarize .6 5, autocontrast .6 0; invert .6 0, equalize 1 0; color .6 4, contrast 1 8
equalize .8 0, equalize .6 0
"""
"""The AutoAugment paper's Table 9."""

IMAGENET_V0 = """
equalize .8 1, shear_y .8 4; color .4 9, equalize .6 3; color .4 1, rotate .6 8
solarize .8 3, equalize .4 7; solarize .4 2, solarize .6 2; color .2 0, equalize .8 8
equalize .4 8, solarize_add .8 3; shear_x .2 9, rotate .6 8; color .6 1, equalize 1 2
invert .4 9, rotate .6 0; equalize 1 9, shear_y .6 3; color .4 7, equalize .6 0
posterize .4 6, autocontrast .4 7; solarize .6 8, color .6 9; solarize .2 4, rotate .8 9
rotate 1 7, translate_y .8 9; shear_x 0 0, solarize .8 4; shear_y .8 0, color .6 4
color 1 0, rotate .6 2; equalize .8 4, equalize 0 8; equalize 1 4, autocontrast .6 2
shear_y .4 7, solarize_add .6 7; posterize .8 2, solarize .6 10; solarize .6 8, equalize .6 1
color .8 6, rotate .4 5
"""
"""Policy `v0` of TensorFlow's model garden (levels from 0 to 10), which SupCon used on ImageNet."""

GEOMETRIC = ("shear_x", "shear_y", "translate_x", "translate_y", "rotate")
PAPER_OPERATIONS = ("identity", *GEOMETRIC, *ENHANCE, "posterize", "solarize", "autocontrast", "equalize")
TENSORFLOW_OPERATIONS = (*PAPER_OPERATIONS, "invert", "cutout", "solarize_add")


def autoaugment(text: str, highest: int, amount: Callable[..., Amounts]) -> Builder:
    """A learned table: `;` separates choices, `,` the operations of a choice; levels go up to `highest`."""
    pairs = [[op.split() for op in pair.split(",")] for pair in text.replace("\n", ";").split(";") if pair]

    def build(layers: int, magnitude: float, side: int) -> Policy:
        rows = [
            [(name, float(p), amount(name, float(n) / highest, side)) for name, p, n in ops] for ops in pairs
        ]
        return _policy(1, rows)

    return build


def randaugment(names: tuple[str, ...], highest: int, amount: Callable[..., Amounts]) -> Builder:
    """All operations are equally likely and share one magnitude, out of `highest`."""

    def build(layers: int, magnitude: float, side: int) -> Policy:
        return _policy(layers, [[(name, 1.0, amount(name, magnitude / highest, side))] for name in names])

    return build


def none(layers: int, magnitude: float, side: int) -> Policy:
    """The policy without operations."""
    return _policy(0, [[("identity", 0.0, (0.0, 0.0))]])


def _policy(rounds: int, rows: list[list[tuple[str, float, Amounts]]]) -> Policy:
    def column(number, dtype):
        return np.array([[operation[number] for operation in row] for row in rows], dtype)

    kind = np.array([[NUMBER[name] for name, _, _ in row] for row in rows], np.int32)
    return Policy(rounds, kind, column(1, np.float32), column(2, np.float32))


POLICIES: dict[str, Builder] = {
    "none": none,
    "autoaugment_cifar10": autoaugment(CIFAR10, 9, paper_amount),
    "autoaugment_imagenet": autoaugment(IMAGENET, 9, paper_amount),
    "autoaugment_imagenet_v0": autoaugment(IMAGENET_V0, 10, partial(tensorflow_amount, shift=250)),
    "randaugment": randaugment(PAPER_OPERATIONS, 30, paper_amount),
    "randaugment_tensorflow": randaugment(TENSORFLOW_OPERATIONS, 10, partial(tensorflow_amount, shift=100)),
}
"""The values of `Recipe.policy`. RandAugment's magnitude goes up to 30 in torchvision and up to 10 in TensorFlow."""
