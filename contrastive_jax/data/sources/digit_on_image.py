"""`digit_on_image:digits=tfds:mnist,of=tfds:cifar10`: every image with one digit drawn over it nine times.

Chen, Luo & Li 2021, Sec. 4.1, DigitOnImageNet. Options: `unique`, the number of different digits that the training
images use (0: all; test images always use all); `size`, the side of a digit in pixels (0: an eighth of the image's,
28 of 224); `label`, `image` or `digit`; `seed` (0); `digits` and `of`, the sources of digits and images.
"""

import dataclasses

import numpy as np

from contrastive_jax.data import synthetic
from contrastive_jax.data.dataset import Dataset
from contrastive_jax.data.split import parse_split
from contrastive_jax.errors import InputError, nearest

LABELS = ("image", "digit")


@dataclasses.dataclass(frozen=True)
class Options:
    unique: int = 0
    size: int = 0
    label: str = "image"
    seed: int = 0
    digits: str = ""
    of: str = ""

    def __post_init__(self):
        if self.label not in LABELS:
            raise InputError(f"label={self.label} does not exist; {nearest(self.label, LABELS)}")
        if self.unique < 0 or self.size < 0:
            raise InputError("unique and size of digit_on_image must be 0 or more.")


def load(location: str, split: str, data_dir: str) -> Dataset:
    """Composes the images of the split in memory; digits come from the whole training or test set."""
    options = synthetic.parse_options("digit_on_image", location, Options)
    name = parse_split(split).name
    base, rows = synthetic.whole_and_rows(options.of, split, data_dir)
    digits, _ = synthetic.whole_and_rows(options.digits, name, data_dir)
    synthetic.gray(digits, "digit_on_image")
    unique = len(digits) if name == "test" or not options.unique else min(options.unique, len(digits))
    side = options.size or max(1, min(base.images.shape[1:3]) // 8)
    shapes = {}

    def shape_of(digit):
        if digit not in shapes:
            shapes[digit] = synthetic.resized(digits.images[digit], side)
        return shapes[digit]

    chosen = np.array([int(synthetic.generator(options.seed, int(row)).integers(unique)) for row in rows])
    images = [synthetic.add_digit(base.images[row], shape_of(d)) for row, d in zip(rows, chosen, strict=True)]
    labelled, at = (base, rows) if options.label == "image" else (digits, chosen)
    title = f"digit_on_image of {digits.name} and {base.name}"
    return Dataset(np.stack(images), labelled.labels[at], labelled.num_classes, title)
