"""`array_record:/dir/name/1.0.0`: a prepared tensorflow-datasets directory, given by its path.

The directory contains dataset_info.json, features.json and the array_record files. `tfds:` finds the same data by
name.
"""

import pathlib

from contrastive_jax.data import prepared
from contrastive_jax.data.encoded import ImageSet
from contrastive_jax.errors import InputError


def load(location: str, split: str, data_dir: str) -> ImageSet:
    """`split` may be any split expression of tensorflow-datasets."""
    import tensorflow_datasets as tfds

    folder = pathlib.Path(data_dir, location).expanduser()
    if not (folder / "dataset_info.json").is_file():
        raise InputError(
            f"{folder} has no dataset_info.json; give the directory of one version, such as "
            "array_record:/dir/cifar10/3.0.2, or prepare one with `python -m contrastive_jax prepare`."
        )
    return prepared.read(tfds.builder_from_directory(str(folder)), split, f"array_record:{location}")
