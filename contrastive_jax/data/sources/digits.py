"""`digits`: scikit-learn's 1,797 handwritten digits, 8x8 grayscale: 1,437 for training, 360 for testing.

For smoke tests only: logistic regression on raw pixels already reaches 96.7%. scikit-learn has no official split, so
a fixed permutation is cut at 80%.
"""

import numpy as np

from contrastive_jax.data.dataset import Dataset, int32_labels
from contrastive_jax.data.samplers import permutation
from contrastive_jax.data.sources import refuse_location
from contrastive_jax.data.split import parse_split

LARGEST_PIXEL = 16  # scikit-learn stores counts from 0 to 16


def load(location: str, split: str, data_dir: str) -> Dataset:
    """Pixels are rescaled to 0..255. `location` must be empty, and `data_dir` is ignored."""
    from sklearn.datasets import load_digits

    refuse_location("digits", location)
    part = parse_split(split)
    counts, labels = load_digits(return_X_y=True)
    images = np.round(counts.reshape(-1, 8, 8, 1) * (255 / LARGEST_PIXEL)).astype(np.uint8)
    whole = Dataset(images, int32_labels(labels, "digits"), 10, "digits")
    order = permutation(len(whole), seed=0, epoch=0)
    cut = len(whole) * 80 // 100
    chosen = whole.subset(order[:cut] if part.name == "train" else order[cut:])
    return chosen.subset(part.rows(len(chosen)))
