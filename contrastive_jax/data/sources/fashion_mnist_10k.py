"""`fashion_mnist_10k`: 10,000 training and 2,000 test images of Fashion-MNIST, shipped inside the package.

28x28 grayscale, ten classes of equal size. `contrastive_jax/data/embedded/make.py` says which images they are and
makes the file. H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
Algorithms", 2017; the MIT licence is next to the file.
"""

import pathlib

import numpy as np

from contrastive_jax.data.dataset import Dataset, int32_labels
from contrastive_jax.data.sources import refuse_location
from contrastive_jax.data.split import parse_split

FILE = pathlib.Path(__file__).parents[1] / "embedded" / "fashion_mnist_10k.npz"


def load(location: str, split: str, data_dir: str) -> Dataset:
    """Training images come from the official training file, test images from the official test file."""
    refuse_location("fashion_mnist_10k", location)
    part = parse_split(split)
    with np.load(FILE) as arrays:
        images, labels = arrays[f"{part.name}_images"], arrays[f"{part.name}_labels"]
    rows = part.rows(len(labels))
    labels = int32_labels(labels, "fashion_mnist_10k")
    return Dataset(images[rows, ..., None], labels[rows], 10, "fashion_mnist_10k")
