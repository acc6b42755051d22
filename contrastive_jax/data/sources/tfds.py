"""`tfds:NAME`: any image-classification data set of tensorflow-datasets, read without TensorFlow.

`python -m contrastive_jax prepare --dataset=NAME` prepares it once, in a separate process, as array_record, the format
that tensorflow-datasets reads without TensorFlow. NAME may include a config and a version (`name/config:1.0.0`). A
split of at most 2 GiB whose images have one size is decoded at once: decoding small images at every step would be
slower than training on them. Other splits stay encoded.
"""

import difflib
import os
import re
from typing import Any

from contrastive_jax.data import prepared
from contrastive_jax.data.encoded import ImageSet
from contrastive_jax.errors import InputError


def load(location: str, split: str, data_dir: str) -> ImageSet:
    """`split` may be any split expression of tensorflow-datasets, such as `train[:10%]+test`."""
    builder = find_prepared(location, data_dir)
    if builder is None:
        raise InputError(how_to_provide(location, data_dir))
    return prepared.read(builder, split, f"tfds:{location}")


def find_prepared(name: str, data_dir: str) -> Any:
    """A tensorflow-datasets builder that reads the prepared data set, or None. Without a version, the newest one."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.read_only_builder import builder_from_files

    try:
        return builder_from_files(name, data_dir=data_dir_or_default(data_dir))
    except tfds.core.DatasetNotFoundError:
        return None
    except ValueError:
        message = (
            f"'{name}' is not a name of a tfds data set; write a name like cifar10 or name/config:1.0.0."
        )
        raise InputError(message) from None


def data_dir_or_default(data_dir: str) -> str:
    """Where tensorflow-datasets stores data: `data_dir`, else $TFDS_DATA_DIR, else ~/tensorflow_datasets."""
    return os.path.expanduser(data_dir or os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets"))


def how_to_provide(name: str, data_dir: str) -> str:
    """The error message for missing data, with all ways to provide it. Does not use the network."""
    import tensorflow_datasets as tfds

    folder = data_dir_or_default(data_dir)
    command = f"python -m contrastive_jax prepare --data_dir={folder} --dataset={name}"
    local = "--from=cifar_batches:/dir, folder:/dir or npz:/file.npz (which can also be trained on directly)"
    stem = re.split("[:/]", name)[0]
    known = tfds.list_builders(with_community_datasets=False)
    if stem in known:
        return (
            f"'{name}' is not prepared in {folder}; run `{command}` on a machine with a network, "
            f"or add --manual_dir=FOLDER with archives that you downloaded, or use local data with {local}."
        )
    close = difflib.get_close_matches(stem, known, n=1)
    remark = f" (did you mean '{close[0]}'?)" if close else ""
    return (
        f"'{name}' is not prepared in {folder} and tensorflow-datasets has no data set of that name{remark}; "
        f"to store local data under it, run `{command}` with {local}."
    )
