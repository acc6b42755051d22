"""`binary_channels:bits=8`: images that contain only k random bits, one per channel (Chen, Luo & Li 2021, App. B.2).

Every channel is 0 or 255 at all pixels, so the entropy of the set is k bits. The label is the integer with these bits.
Train on it without color augmentation (recipe `crop_flip`). Options and defaults: `bits` (8), `size`, the side in
pixels (32), `train` and `test`, the numbers of images (50000, 10000), `seed` (0).
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
            raise InputError(f"bits of binary_channels is {self.bits}; it must be from 1 to 24.")
        if min(self.size, self.train, self.test) < 1:
            raise InputError("size, train and test of binary_channels must be 1 or more.")


class BitImages(dataset.Dataset):
    """A data set whose channels are not colors, so their number is free."""

    def __post_init__(self):
        dataset.check_labels(self.labels, len(self.images), self.num_classes, self.name)


def load(location: str, split: str, data_dir: str) -> dataset.Dataset:
    """Training and test images are drawn independently."""
    options = synthetic.parse_options("binary_channels", location, Options)
    part = parse_split(split)
    size = {"train": options.train, "test": options.test}[part.name]
    rng = np.random.default_rng((options.seed, part.name == "test"))
    integers = rng.integers(0, 2**options.bits, size)[part.rows(size)].astype(np.int32)
    bits = (integers[:, None] >> np.arange(options.bits)) & 1
    pixels = np.repeat((255 * bits).astype(np.uint8)[:, None, None], options.size, axis=1)
    images = np.repeat(pixels, options.size, axis=2)
    return BitImages(images, integers, 2**options.bits, f"binary_channels of {options.bits} bits")
