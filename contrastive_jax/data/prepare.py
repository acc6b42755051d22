"""Writes data sets as array_record files in the layout of tensorflow-datasets (`python -m contrastive_jax prepare`).

TensorFlow is imported only to download.
"""

import contextlib
import os
import pathlib
import re
import sys
from typing import Any
from urllib.parse import urlsplit

from contrastive_jax.data import sources
from contrastive_jax.data.encoded import ImageSet
from contrastive_jax.data.reachable import any_reachable
from contrastive_jax.data.sources.tfds import data_dir_or_default, find_prepared, how_to_provide
from contrastive_jax.data.split import TRAIN_AND_TEST, MissingSplit
from contrastive_jax.data.store import store
from contrastive_jax.data.tfrecord import convert
from contrastive_jax.errors import InputError

STORED_VERSION = "1.0.0"
TFRECORD = "tfrecord:"


def prepare(
    name: str,
    data_dir: str,
    *,
    manual_dir: str = "",
    source: str = "",
    skip_corrupt: bool = False,
    image_size: int = 0,
) -> str:
    """Prepares the data set `name` as array_record under `data_dir`, unless it is prepared already.

    Args:
      manual_dir: folder of archives that the user downloaded, under their upstream names.
      source: a source to store under `name`, or `tfrecord:/dir` to convert; "" downloads with tensorflow-datasets.
      skip_corrupt: leave out pictures that cannot be decoded instead of failing.
      image_size: with a source, store pictures shrunk to this longest side; 0 keeps their bytes.

    Returns:
      The folder of the prepared data set, DIR/name/version.
    """
    prepared = find_prepared(name, data_dir)
    if prepared is None:
        if source.startswith(TFRECORD):
            return convert_tfrecord(name, data_dir, pathlib.Path(source.removeprefix(TFRECORD)).expanduser())
        if source:
            return store_source(name, data_dir, source, skip_corrupt=skip_corrupt, image_size=image_size)
        return prepare_by_tfds(name, data_dir, manual_dir)
    file_format = prepared.info.file_format.value
    if file_format == "tfrecord" and not source:
        raise InputError(
            f"{prepared.data_dir} already has '{name}' as tfrecord; convert it with `python -m "
            f"contrastive_jax prepare --dataset={prepared.name} --data_dir=OTHER "
            f"--from={TFRECORD}{prepared.data_dir}`."
        )
    if source or file_format != "array_record":
        raise InputError(
            f"{prepared.data_dir} already has '{name}' as {file_format}; "
            "delete that folder or choose another --data_dir."
        )
    return str(prepared.data_dir)


def store_source(
    name: str, data_dir: str, source: str, *, skip_corrupt: bool = False, image_size: int = 0
) -> str:
    """Stores the splits of a source under a name that the user chooses; examples keep their order."""
    if not re.fullmatch("[a-z][a-z0-9_]*", name):
        raise InputError(f"'{name}' cannot name a stored data set; use lower-case letters, digits and _.")
    folder = pathlib.Path(data_dir_or_default(data_dir), name, STORED_VERSION)
    splits = _open_splits(source, image_size)
    skipped = store(
        name, folder, splits, f"Stored from {source}.", skip_corrupt=skip_corrupt, image_size=image_size
    )
    if skipped:
        print(
            f"Left out {len(skipped)} corrupt pictures, listed in {folder / 'corrupt.txt'}.", file=sys.stderr
        )
    return str(folder)


def convert_tfrecord(name: str, data_dir: str, source: pathlib.Path) -> str:
    """Converts a directory of TFRecord files to array_record, under the same name and version."""
    if source.parent.name != name and source.parent.parent.name != name:
        raise InputError(
            f"{source} is not a directory of '{name}'; set --dataset to the name used in that path."
        )
    below = source.relative_to(source.parent if source.parent.name == name else source.parent.parent)
    folder = pathlib.Path(data_dir_or_default(data_dir), name, below)
    convert(source, folder)
    return str(folder)


def prepare_by_tfds(name: str, data_dir: str, manual_dir: str) -> str:
    """Downloads and prepares with tensorflow-datasets; without a network, fails within seconds."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError

    try:
        builder = tfds.builder(name, data_dir=data_dir_or_default(data_dir), file_format="array_record")
    except ValueError:  # DatasetNotFoundError of tensorflow-datasets is a ValueError
        raise InputError(how_to_provide(name, data_dir)) from None
    if builder.MANUAL_DOWNLOAD_INSTRUCTIONS and not manual_dir:
        instructions = " ".join(builder.MANUAL_DOWNLOAD_INSTRUCTIONS.split())
        raise InputError(f"'{name}' must be downloaded manually into a --manual_dir=FOLDER: {instructions}")
    wanted = _urls_to_download(builder, manual_dir)
    if wanted and not any_reachable(wanted):
        host, files = urlsplit(wanted[0]).hostname, ", ".join(map(_file_name, wanted))
        raise InputError(f"{host}, which has {files}, does not answer: {how_to_provide(name, data_dir)}")
    config = tfds.download.DownloadConfig(manual_dir=manual_dir or None, try_download_gcs=False)
    try:
        builder.download_and_prepare(download_config=config)
    except (OSError, AssertionError, tfds.download.DownloadError, NonMatchingChecksumError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"preparing '{name}' failed ({reason}): {how_to_provide(name, data_dir)}") from error
    return str(builder.data_dir)


def _open_splits(source: str, image_size: int) -> dict[str, ImageSet]:
    """All splits that the source has. A split that cannot be read is an error, a missing one is not."""
    found = {}
    for split in TRAIN_AND_TEST:
        with contextlib.suppress(MissingSplit):
            found[split] = sources.open_split(source, split, image_size=image_size)
    return found


def _urls_to_download(builder: Any, manual_dir: str) -> list[str]:
    """URLs of the data set's archives that are not in `manual_dir` under their upstream names."""
    at_hand = os.listdir(manual_dir) if manual_dir and os.path.isdir(manual_dir) else []
    urls = [url for url in builder.url_infos or {} if url.startswith("http")]
    return [url for url in urls if _file_name(url) not in at_hand]


def _file_name(url: str) -> str:
    return urlsplit(url).path.rpartition("/")[2]
