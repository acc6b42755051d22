"""`binary_channels:bits=8`: images without content but k random bits, one per channel (Chen, Luo & Li 2021, App. B.2).

All pixels of an image share their value, 0 or 255 in every channel, so the set's entropy is k bits. Options: `bits`
(8), `size`, the side in pixels (32), `train` and `test`, numbers of images (50000, 10000), `seed` (0). The label is
the integer that the bits write. Train on it without augmentation of colors (`recipes.crop_flip`).
"""

import dataclasses

import numpy as np

from contrastive_jax.data import dataset, synthetic
from contrastive_jax.data.split import parse_split
from contrastive_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Options:
    bits: int = 8
    size: int = 32
    train: int = 50_000
    test: int = 10_000
    seed: int = 0

    def __post_init__(self):
        if not 1 <= self.bits <= 24:
            raise InputError("bits of binary_channels must be from 1 to 24.")
        if min(self.size, self.train, self.test) < 1:
            raise InputError("size, train and test of binary_channels must be 1 or more.")


class BitImages(dataset.Dataset):
    """A data set whose channels are no colors: there may be any number of them."""

    def __post_init__(self):
        dataset.check_labels(self.labels, len(self.images), self.num_classes, self.name)


def load(location: str, split: str, data_dir: str) -> dataset.Dataset:
    """Training and test images are different draws."""
    options = synthetic.parse_options("binary_channels", location, Options)
    part = parse_split(split)
    size = {"train": options.train, "test": options.test}[part.name]
    rng = np.random.default_rng((options.seed, part.name == "test"))
    integers = rng.integers(0, 2**options.bits, size)[part.rows(size)].astype(np.int32)
    bits = (integers[:, None] >> np.arange(options.bits)) & 1
    pixels = np.repeat((255 * bits).astype(np.uint8)[:, None, None], options.size, axis=1)
    images = np.repeat(pixels, options.size, axis=2)
    return BitImages(images, integers, 2**options.bits, f"binary_channels of {options.bits} bits")
