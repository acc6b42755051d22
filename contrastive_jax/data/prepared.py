"""Reads a split of a prepared tensorflow-datasets directory record by record, without TensorFlow."""

import dataclasses
import functools
import pathlib
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Int32
from tqdm import tqdm

from contrastive_jax.data.dataset import int32_labels, no_labels
from contrastive_jax.data.encoded import EncodedImages, ImageSet, usual_shape
from contrastive_jax.errors import InputError

CHUNK = 1024  # records read at a time
IN_MEMORY = 2 << 30  # bytes; sets up to this size whose images have one size are decoded at once


def read(builder: Any, split: str, name: str) -> ImageSet:
    """The images, and the labels if there are any, of a split expression.

    Args:
      builder: of tensorflow-datasets, for a prepared directory.
      name: of the data set in error messages.

    Raises:
      InputError: the data set is not for image classification, or the split cannot be read.
    """
    import tensorflow_datasets as tfds

    features = builder.info.features
    image_key = _key(features, tfds.features.Image, "image", name)
    has_labels = any(isinstance(feature, tfds.features.ClassLabel) for feature in features.values())
    label_key = _key(features, tfds.features.ClassLabel, "label", name) if has_labels else ""
    image = features[image_key]
    if image.np_dtype != np.uint8:
        raise InputError(f"images of '{name}' are {np.dtype(image.np_dtype)}; store them as a uint8 array.")
    if image.shape[-1] not in (1, 3):
        raise InputError(f"images of '{name}' have shape {image.shape}; expected 1 or 3 channels.")
    records = PreparedRecords(str(builder.data_dir), split, image_key, name)
    _check_split(records, builder, name)
    fixed = None not in image.shape
    shape, varies = (tuple(image.shape), False) if fixed else usual_shape(records, image.shape[-1])
    labels = records.labels(label_key) if label_key else no_labels(len(records))
    unlabelled = not label_key or np.all(labels == -1)  # as tensorflow-datasets stores unlabelled splits
    classes = 0 if unlabelled else features[label_key].num_classes
    images = EncodedImages(records, np.arange(len(records)), labels, classes, name, shape, varies)
    return images.in_memory() if fixed and images.nbytes <= IN_MEMORY else images


@dataclasses.dataclass(frozen=True)
class PreparedRecords:
    """Encoded images of a prepared split. Each process opens the files when it first reads them."""

    folder: str
    split: str
    image_key: str
    name: str

    def __len__(self) -> int:
        return len(self._source)

    def read(self, row: int) -> bytes:
        return _feature(self._source[row], self.image_key).bytes_list.value[0]

    def where(self, row: int) -> str:
        return f"image {row} of '{self.name}' ({self.split})"

    def labels(self, key: str) -> Int32[np.ndarray, " n"]:
        """The label of every record; cached beside the data, because finding them reads every record."""
        stem = re.sub(r"\W+", "_", f"{key}_{self.split}")
        cache = pathlib.Path(self.folder, f"labels_{stem}_{len(self)}.npy")
        if cache.is_file():
            return np.load(cache)
        labels = int32_labels(np.fromiter(self._read_labels(key), np.int64, len(self)), self.name)
        try:
            part = cache.with_suffix(".part")
            with part.open("wb") as file:
                np.save(file, labels)
            part.rename(cache)
        except OSError:  # the data is read-only: read the records again next time
            pass
        return labels

    def __getstate__(self) -> dict[str, str]:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @functools.cached_property
    def _source(self) -> Any:
        import tensorflow_datasets as tfds

        builder: Any = tfds.builder_from_directory(self.folder)
        method = tfds.decode.DeserializeMethod.RAW_BYTES  # other methods import TensorFlow
        return builder.as_data_source(split=self.split, deserialize_method=method)

    def _read_labels(self, key: str) -> Iterator[int]:
        with tqdm(total=len(self), desc=f"labels of {self.name}", unit="images", disable=None) as bar:
            for start in range(0, len(self), CHUNK):
                rows = range(start, min(start + CHUNK, len(self)))
                for record in self._source.__getitems__(rows):
                    yield _feature(record, key).int64_list.value[0]
                bar.update(len(rows))


def _feature(record: bytes, key: str) -> Any:
    """One feature of a serialized tf.train.Example, parsed by the copy of that message in tensorflow-datasets."""
    from tensorflow_datasets.proto import tf_example_pb2

    messages: Any = tf_example_pb2
    return messages.Example.FromString(record).features.feature[key]


def _check_split(records: PreparedRecords, builder: Any, name: str) -> None:
    """Raises InputError if the split does not exist, is empty, or is in a format that only TensorFlow reads."""
    try:
        len(records)
    except NotImplementedError:
        stored = f"{builder.data_dir} as {builder.info.file_format.value}"
        raise InputError(
            f"'{name}' is stored in {stored}, which only TensorFlow reads; convert it once with `python -m "
            f"contrastive_jax prepare --dataset={builder.name} --data_dir=OTHER "
            f"--from=tfrecord:{builder.data_dir}`, then read it with --config.data.data_dir=OTHER."
        ) from None
    except ValueError as error:
        sizes = ", ".join(f"{key} ({info.num_examples})" for key, info in builder.info.splits.items())
        reason = str(error).splitlines()[-1].rstrip(".")
        raise InputError(
            f"split '{records.split}' of '{name}' cannot be read ({reason}); use a non-empty range of {sizes}."
        ) from None


def _key(features: Any, kind: type, usual: str, name: str) -> str:
    """The name of the image or label feature; if there are several, the one with the usual name."""
    found = [key for key, feature in features.items() if isinstance(feature, kind)]
    if usual in found:
        return usual
    if len(found) != 1:
        raise InputError(
            f"'{name}' is not an image-classification data set: {len(found)} of its features "
            f"({', '.join(sorted(features))}) have type {kind.__name__}; "
            f"exactly one is needed, or one called '{usual}'."
        )
    return found[0]
