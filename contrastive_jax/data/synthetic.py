"""Images with competing features: Chen, Luo & Li 2021, "Intriguing Properties of Contrastive Losses", Secs. 3, 4.

Images are composed here, on the host, from those of any data set: several digits on a canvas, or one digit over a
photograph. Every composed image is a pure function of (seed, index). Random bits beside an image are channels that no
augmentation may touch, so `augment.bits` appends them on the device.
"""

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Int, UInt8

from contrastive_jax.config.schema import build
from contrastive_jax.data.dataset import Dataset
from contrastive_jax.data.encoded import EncodedImages
from contrastive_jax.data.sources import open_split
from contrastive_jax.data.split import parse_split
from contrastive_jax.errors import InputError

PHOTOGRAPH = 224
"""Side in pixels of the squares that photographs become: ImageNet's, Sec. 4.1."""
NINE_PLACES = (0.15, 0.45, 0.75)
"""Top and left of the copies as fractions of the image's side, as in the authors' notebook."""


def add_digit(
    image: UInt8[np.ndarray, "height width channel"],
    digit: UInt8[np.ndarray, "side side"],
    ratios: Sequence[float] = NINE_PLACES,
) -> UInt8[np.ndarray, "height width channel"]:
    """DigitOnImage: the pixelwise maximum of the image and copies of the digit.

    The copies' corners are at `int(side of the image * ratio)` for each pair of ratios. The paper says that channels
    are added; the authors' notebook takes the maximum.
    """
    height, width, _ = image.shape
    side, out = len(digit), image.copy()
    for top in (int(height * ratio) for ratio in ratios):
        for left in (int(width * ratio) for ratio in ratios):
            if top + side > height or left + side > width:
                raise InputError(
                    f"a digit of {side} pixels does not fit nine times into an image of {height} x {width} pixels; "
                    f"use a size of at most {min(height, width) - int(min(height, width) * max(ratios))} pixels."
                )
            patch = out[top : top + side, left : left + side]
            np.maximum(patch, digit[..., None], out=patch)
    return out


def place_digits(
    digits: Sequence[UInt8[np.ndarray, "_ _"]], corners: Int[np.ndarray, "digit 2"], canvas: int
) -> UInt8[np.ndarray, "{canvas} {canvas} 1"]:
    """MultiDigits: digits on one black canvas; where they overlap, the brighter pixel wins."""
    out = np.zeros((canvas, canvas, 1), np.uint8)
    for digit, (top, left) in zip(digits, corners, strict=True):
        patch = out[top : top + len(digit), left : left + len(digit), 0]
        np.maximum(patch, digit, out=patch)
    return out


def random_corners(rng: np.random.Generator, sides: Sequence[int], canvas: int) -> Int[np.ndarray, "digit 2"]:
    """Top and left of every digit, uniform on the canvas; digits may overlap."""
    room = canvas - np.asarray(sides)
    if (room < 0).any():
        raise InputError(
            f"a digit of {max(sides)} pixels does not fit onto a canvas of {canvas} pixels; use a larger canvas."
        )
    return rng.integers(0, room[:, None] + 1, (len(sides), 2))


def grid_corners(rng: np.random.Generator, sides: Sequence[int], canvas: int) -> Int[np.ndarray, "digit 2"]:
    """The corners of distinct cells of a grid whose cells have the size of the largest digit, so nothing overlaps."""
    cells = canvas // max(sides)
    if len(sides) > cells**2:
        raise InputError(
            f"{len(sides)} digits of {max(sides)} pixels do not fit into the grid of a canvas of {canvas} pixels, "
            f"which has {cells**2} cells; use fewer or smaller digits, a larger canvas, or placement=random."
        )
    cell = rng.permutation(cells**2)[: len(sides)]
    return np.stack([cell // cells, cell % cells], axis=1) * max(sides)


def generator(seed: int, index: int) -> np.random.Generator:
    """The random numbers of image `index`."""
    return np.random.default_rng((seed, index))


def resized(digit: UInt8[np.ndarray, "height width 1"], side: int) -> UInt8[np.ndarray, "{side} {side}"]:
    """Resizes a gray image to a square of that side, bilinearly."""
    if digit.shape[:2] == (side, side):
        return digit[..., 0]
    from PIL import Image

    return np.asarray(Image.fromarray(digit[..., 0]).resize((side, side), Image.Resampling.BILINEAR))


def parse_options(scheme: str, location: str, cls: type) -> Any:
    """Parses `name=value,name=value` into the dataclass `cls`; a value has the type of its field's default."""
    defaults = {field.name: field.default for field in dataclasses.fields(cls)}
    fields = {}
    for part in filter(None, re.split(r",(?=\w+=)", location)):
        name, equals, text = part.partition("=")
        if not equals:
            raise InputError(
                f"'{part}' in '{scheme}:{location}' is not an option; write {scheme}:name=value,name=value."
            )
        value = text
        if isinstance(defaults.get(name), int):
            try:
                value = int(text)
            except ValueError as error:
                raise InputError(
                    f"{name}={text} in '{scheme}:{location}' is not an integer; give one."
                ) from error
        fields[name] = value
    return build(cls, scheme, fields)


def whole_and_rows(source: str, split: str, data_dir: str) -> tuple[Dataset, np.ndarray]:
    """The whole training or test set of a source, and its rows that the split selects.

    Composed images are numbered in the whole set, so `train[:90%]` has the first images of `train`. Of pictures that
    vary in size, these are the centre squares.
    """
    if not source:
        raise InputError("a source of images is missing; name one, such as of=fashion_mnist_10k.")
    part = parse_split(split)
    images = open_split(source, part.name, data_dir)
    if isinstance(images, EncodedImages) and images.varies:
        images = images.squares(PHOTOGRAPH)
    whole = images.in_memory()
    return whole, np.arange(len(whole))[part.rows(len(whole))]


def gray(dataset: Dataset, scheme: str) -> Dataset:
    """The same set; rejects one with colors."""
    if dataset.images.shape[-1] != 1:
        raise InputError(
            f"'{scheme}' needs gray digits (1 channel), but '{dataset.name}' has colors; name another set."
        )
    return dataset
