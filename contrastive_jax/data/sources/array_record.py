"""`array_record:/dir/name/1.0.0`: a prepared tensorflow-datasets directory, named by its path.

The directory is the one that holds dataset_info.json, features.json and the array_record files; what `tfds:`
finds by a name, this reads where it lies.
"""

import pathlib

from contrastive_jax.data.encoded import ImageSet
from contrastive_jax.data.sources import _prepared
from contrastive_jax.errors import InputError


def load(location: str, split: str, data_dir: str) -> ImageSet:
    """`split` is any expression of tensorflow-datasets."""
    import tensorflow_datasets as tfds

    folder = pathlib.Path(data_dir, location).expanduser()
    if not (folder / "dataset_info.json").is_file():
        raise InputError(
            f"{folder} holds no dataset_info.json; name the directory of one version, such as "
            "array_record:/dir/cifar10/3.0.2, or prepare one with `python -m contrastive_jax.data.prepare`."
        )
    return _prepared.read(tfds.builder_from_directory(str(folder)), split, f"array_record:{location}")
