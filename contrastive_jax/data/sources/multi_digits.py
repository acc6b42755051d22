"""`multi_digits:count=4,of=tfds:mnist`: several digits on one canvas (Chen, Luo & Li 2021, Secs. 3.1 and 4.1).

Options: `count`, digits per image (1); `size`, the side of the first digit in pixels (28); `others`, the side of the
others (0: the same); `canvas`, the side of the image (112); `placement`, `random` or `grid` (no overlap); `seed` (0);
`of`, the source of the digits.

The first digit of image i is digit i of the source, and gives the label; the others are drawn from the whole source.
The paper trains on several digits and evaluates on one: use the same options with `count=1`, once per size.
"""

import dataclasses

import numpy as np

from contrastive_jax.data import synthetic
from contrastive_jax.data.dataset import Dataset
from contrastive_jax.errors import InputError, nearest

PLACEMENTS = {"random": synthetic.random_corners, "grid": synthetic.grid_corners}


@dataclasses.dataclass(frozen=True)
class Options:
    count: int = 1
    size: int = 28
    others: int = 0
    canvas: int = 112
    placement: str = "random"
    seed: int = 0
    of: str = ""

    def __post_init__(self):
        if self.placement not in PLACEMENTS:
            raise InputError(
                f"placement={self.placement} does not exist; {nearest(self.placement, PLACEMENTS)}"
            )
        if min(self.count, self.size, self.canvas) < 1:
            raise InputError("count, size and canvas of multi_digits must be 1 or more.")


def load(location: str, split: str, data_dir: str) -> Dataset:
    """Composes the images of the split in memory, which takes canvas^2 bytes per image."""
    options = synthetic.parse_options("multi_digits", location, Options)
    digits, rows = synthetic.whole_and_rows(options.of, split, data_dir)
    synthetic.gray(digits, "multi_digits")
    images = np.stack([compose(digits.images, int(row), options) for row in rows])
    name = f"multi_digits of {digits.name}"
    return Dataset(images, digits.labels[rows], digits.num_classes, name)


def compose(digits: np.ndarray, index: int, options: Options) -> np.ndarray:
    """Image `index`: uint8 [canvas, canvas, 1]. `digits`: uint8 [n, height, width, 1]."""
    rng = synthetic.generator(options.seed, index)
    chosen = [index, *rng.integers(0, len(digits), options.count - 1)]
    sides = [options.size] + [options.others or options.size] * (options.count - 1)
    corners = PLACEMENTS[options.placement](rng, sides, options.canvas)
    shapes = [synthetic.resized(digits[row], side) for row, side in zip(chosen, sides)]
    return synthetic.place_digits(shapes, corners, options.canvas)
