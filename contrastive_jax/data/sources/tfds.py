"""`tfds:NAME`: any image-classification data set of tensorflow-datasets, read without TensorFlow.

`python -m contrastive_jax.data.prepare --dataset=NAME` prepares it once, in a process of its own, as
array_record: the format that tensorflow-datasets reads without TensorFlow. NAME may carry a config and a
version (`name/config:1.0.0`). A split is decoded whole, once: decoding small images at every step would be
slower than training on them.
"""

import difflib
import os
import re
from typing import Any

import numpy as np

from contrastive_jax.data.dataset import Dataset, int32_labels
from contrastive_jax.errors import InputError

CHUNK = 1024  # examples decoded at a time


def load(location: str, split: str, data_dir: str) -> Dataset:
    """`split` is passed on, so any expression of tensorflow-datasets works, `train[:10%]+test` too."""
    import tensorflow_datasets as tfds

    builder = find_prepared(location, data_dir)
    if builder is None:
        raise InputError(how_to_provide(location, data_dir))
    name, features = f"tfds:{location}", builder.info.features
    image_key = _key(features, tfds.features.Image, "image", name)
    label_key = _key(features, tfds.features.ClassLabel, "label", name)
    image = features[image_key]
    if None in image.shape:
        raise InputError(f"images of '{name}' vary in size {image.shape}; only one size can be read.")
    source = _open(builder, split, name)
    images, labels = np.empty((len(source), *image.shape), image.np_dtype), np.empty(len(source), np.int64)
    for start in range(0, len(source), CHUNK):
        rows = range(start, min(start + CHUNK, len(source)))
        examples = source.__getitems__(rows)
        images[rows.start : rows.stop] = [example[image_key] for example in examples]
        labels[rows.start : rows.stop] = [example[label_key] for example in examples]
    return Dataset(images, int32_labels(labels, name), features[label_key].num_classes, name)


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
    local = "--from=cifar_batches:/dir or --from=npz:/file.npz (which can also be trained on as they are)"
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


def _key(features: Any, kind: type, usual: str, name: str) -> str:
    """The feature that holds the image or the label; the usual name decides where there are several."""
    found = [key for key, feature in features.items() if isinstance(feature, kind)]
    if usual in found:
        return usual
    if len(found) != 1:
        raise InputError(
            f"'{name}' is no image-classification data set: {len(found)} of its features "
            f"({', '.join(sorted(features))}) are of type {kind.__name__}; "
            f"it needs one, or one called '{usual}'."
        )
    return found[0]


def _open(builder: Any, split: str, name: str) -> Any:
    """A tfds data source of the split expression, not empty."""
    try:
        source = builder.as_data_source(split=split)
        len(source)  # a range that runs backwards is noticed here
    except NotImplementedError:
        stored = f"{builder.data_dir} as {builder.info.file_format.value}"
        raise InputError(
            f"'{name}' lies in {stored}, which only TensorFlow reads; "
            "prepare it again with `python -m contrastive_jax.data.prepare` into another --data_dir."
        ) from None
    except ValueError as error:
        sizes = ", ".join(f"{key} ({info.num_examples})" for key, info in builder.info.splits.items())
        reason = str(error).splitlines()[-1].rstrip(".")
        message = (
            f"split '{split}' of '{name}' cannot be read ({reason}); take a range, not empty, of {sizes}."
        )
        raise InputError(message) from None
    return source
