"""What every evaluation sees of an encoder: features of training and test images, computed once for all of them."""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float, Int

Rows = Int[np.ndarray, " _"]
Features = Mapping[str, Float[np.ndarray, "_ _"]]
"""{exit: [n, dim]}, sub-networks in depth order, then the backbone."""


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Frozen:
    """A frozen encoder and the images that it is judged on."""

    train: Features
    train_labels: Rows
    test: Features
    test_labels: Rows
    classes: int
    split: Callable[[int], tuple[Rows, Rows]]
    """From a seed to the rows of the training set to train on, and those to choose on."""
    own: Callable[[], tuple[Features, Features]]
    """Logits of the classifiers that the run trained itself, on training and test images. Raises InputError where there
    are none, or none for these classes."""
    views: Callable[[int], Features]
    """From a seed to the features of the test images, each randomly augmented as in the pretraining."""
    macs: Callable[[Mapping[str, tuple[str, ...]]], dict[str, int]]
    """Multiply-adds per image of reaching all exits of each group, without classifiers."""
