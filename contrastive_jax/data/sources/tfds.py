"""`tfds:NAME`: any image-classification data set of tensorflow-datasets, read without TensorFlow.

`python -m contrastive_jax.data.prepare --dataset=NAME` prepares it once, in a process of its own, as
array_record: the format that tensorflow-datasets reads without TensorFlow. NAME may carry a config and a
version (`name/config:1.0.0`). A split of images of one size, up to 2 GiB, is decoded whole, once: decoding
small images at every step would be slower than training on them. Other splits stay encoded.
"""

import difflib
import os
import re
from typing import Any

from contrastive_jax.data.encoded import ImageSet
from contrastive_jax.data.sources import _prepared
from contrastive_jax.errors import InputError


def load(location: str, split: str, data_dir: str) -> ImageSet:
    """`split` is passed on, so any expression of tensorflow-datasets works, `train[:10%]+test` too."""
    builder = find_prepared(location, data_dir)
    if builder is None:
        raise InputError(how_to_provide(location, data_dir))
    return _prepared.read(builder, split, f"tfds:{location}")


def find_prepared(name: str, data_dir: str) -> Any:
    """A tfds reader of the prepared data set (its newest version, unless `name` says one), or None."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.read_only_builder import builder_from_files

    try:
        return builder_from_files(name, data_dir=data_dir_or_default(data_dir))
    except tfds.core.DatasetNotFoundError:
        return None
    except ValueError:
        message = f"'{name}' cannot name a tfds data set; write a name like cifar10 or name/config:1.0.0."
        raise InputError(message) from None


def data_dir_or_default(data_dir: str) -> str:
    """Where tensorflow-datasets keeps data: `data_dir`, else $TFDS_DATA_DIR, else ~/tensorflow_datasets."""
    return os.path.expanduser(data_dir or os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets"))


def how_to_provide(name: str, data_dir: str) -> str:
    """The sentence for data that is not there, with every way to bring it. Asks no network."""
    import tensorflow_datasets as tfds

    folder = data_dir_or_default(data_dir)
    command = f"python -m contrastive_jax.data.prepare --data_dir={folder} --dataset={name}"
    local = (
        "--from=cifar_batches:/dir, folder:/dir or npz:/file.npz (which can also be trained on as they are)"
    )
    stem = re.split("[:/]", name)[0]
    known = tfds.list_builders(with_community_datasets=False)
    if stem in known:
        return (
            f"'{name}' is not prepared in {folder}; run `{command}` where there is a network, "
            f"or add --manual_dir=FOLDER with the archives you downloaded, or use local data with {local}."
        )
    close = difflib.get_close_matches(stem, known, n=1)
    remark = f" (did you mean '{close[0]}'?)" if close else ""
    return (
        f"'{name}' is not prepared in {folder} and tensorflow-datasets has no data set of that name{remark}; "
        f"to store local data under it, run `{command}` with {local}."
    )
