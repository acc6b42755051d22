"""Prepares a data set for `tfds:NAME`, once: the only command that imports TensorFlow, and only to download.

    python -m contrastive_jax.data.prepare --dataset=cifar10 --data_dir=DIR
    python -m contrastive_jax.data.prepare --dataset=cifar10 --data_dir=DIR --manual_dir=FOLDER
    python -m contrastive_jax.data.prepare --dataset=mine    --data_dir=DIR --from=folder:/my/pictures
    python -m contrastive_jax.data.prepare --dataset=cifar10 --data_dir=DIR --from=tfrecord:/old/cifar10/3.0.2

The first downloads; the second reads archives that you downloaded, under their upstream names
(cifar-10-binary.tar.gz; checksums are verified); the third stores any of our sources, in order; the fourth
converts what is prepared in the format that only TensorFlow reads. All write array_record files in
tensorflow-datasets' own layout, DIR/name/version.

Storing and converting go on where they were killed. Every picture is decoded once on the way: corrupt ones are
counted and listed by path, and nothing is finished until they are replaced or `--skip_corrupt` leaves them out.
`--image_size=256` stores pictures resized, to stream them faster.
"""

import contextlib
import os
import pathlib
import re
import sys
from typing import Any
from urllib.parse import urlsplit

from absl import app, flags, logging

from contrastive_jax.data import sources
from contrastive_jax.data.convert import convert
from contrastive_jax.data.encoded import ImageSet
from contrastive_jax.data.network import any_answers
from contrastive_jax.data.sources.tfds import data_dir_or_default, find_prepared, how_to_provide
from contrastive_jax.data.split import TRAIN_AND_TEST, MissingSplit
from contrastive_jax.data.store import store
from contrastive_jax.errors import InputError

STORED_VERSION = "1.0.0"
TFRECORD = "tfrecord:"


def main(_) -> int:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.set_verbosity(logging.WARNING)
    # TensorFlow would take all of a GPU's memory, and needs none here.
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    given = flags.FLAGS
    try:
        folder = prepare(
            given.dataset,
            given.data_dir,
            manual_dir=given.manual_dir,
            source=str(given["from"].value),
            skip_corrupt=given.skip_corrupt,
            image_size=given.image_size,
        )
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"tfds:{given.dataset} is ready in {folder}")
    return 0


def prepare(
    name: str,
    data_dir: str,
    *,
    manual_dir: str = "",
    source: str = "",
    skip_corrupt: bool = False,
    image_size: int = 0,
) -> str:
    """Writes `name` as array_record under `data_dir` unless it is there already; returns its folder."""
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
            f"{prepared.data_dir} holds '{name}' already, as tfrecord; convert it with `python -m "
            f"contrastive_jax.data.prepare --dataset={prepared.name} --data_dir=OTHER "
            f"--from={TFRECORD}{prepared.data_dir}`."
        )
    if source or file_format != "array_record":
        raise InputError(
            f"{prepared.data_dir} holds '{name}' already, as {file_format}; "
            "delete that folder or choose another --data_dir."
        )
    return str(prepared.data_dir)


def store_source(
    name: str, data_dir: str, source: str, *, skip_corrupt: bool = False, image_size: int = 0
) -> str:
    """Stores the splits of one of our sources under a name of the user's, in their order."""
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
    """The array_record twin of a directory of TFRecord files, under its own name and version."""
    if source.parent.name != name and source.parent.parent.name != name:
        raise InputError(f"{source} holds no '{name}'; give --dataset the name that the data set has there.")
    below = source.relative_to(source.parent if source.parent.name == name else source.parent.parent)
    folder = pathlib.Path(data_dir_or_default(data_dir), name, below)
    convert(source, folder)
    return str(folder)


def prepare_by_tfds(name: str, data_dir: str, manual_dir: str) -> str:
    """Lets tensorflow-datasets download and prepare; without a network it fails within seconds."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError

    try:
        builder = tfds.builder(name, data_dir=data_dir_or_default(data_dir), file_format="array_record")
    except ValueError:  # tfds' DatasetNotFoundError is one
        raise InputError(how_to_provide(name, data_dir)) from None
    if builder.MANUAL_DOWNLOAD_INSTRUCTIONS and not manual_dir:
        instructions = " ".join(builder.MANUAL_DOWNLOAD_INSTRUCTIONS.split())
        raise InputError(f"'{name}' must be downloaded by hand into a --manual_dir=FOLDER: {instructions}")
    wanted = _urls_to_download(builder, manual_dir)
    if wanted and not any_answers(wanted):
        host, files = urlsplit(wanted[0]).hostname, ", ".join(map(_file_name, wanted))
        raise InputError(f"{host} does not answer, to send {files}: {how_to_provide(name, data_dir)}")
    config = tfds.download.DownloadConfig(manual_dir=manual_dir or None, try_download_gcs=False)
    try:
        builder.download_and_prepare(download_config=config)
    except (OSError, AssertionError, tfds.download.DownloadError, NonMatchingChecksumError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"preparing '{name}' failed ({reason}): {how_to_provide(name, data_dir)}") from error
    return str(builder.data_dir)


def _open_splits(source: str, image_size: int) -> dict[str, ImageSet]:
    """Every split that the source has; a faulty one is an error, a missing one is not."""
    found = {}
    for split in TRAIN_AND_TEST:
        with contextlib.suppress(MissingSplit):
            found[split] = sources.open_split(source, split, image_size=image_size)
    return found


def _urls_to_download(builder: Any, manual_dir: str) -> list[str]:
    """The registered archives of the data set that are not in `manual_dir` under their upstream names."""
    at_hand = os.listdir(manual_dir) if manual_dir and os.path.isdir(manual_dir) else []
    urls = [url for url in builder.url_infos or {} if url.startswith("http")]
    return [url for url in urls if _file_name(url) not in at_hand]


def _file_name(url: str) -> str:
    return urlsplit(url).path.rpartition("/")[2]


if __name__ == "__main__":
    flags.DEFINE_string("dataset", None, "Name in tensorflow-datasets, or with --from a name of yours.")
    flags.DEFINE_string("data_dir", "", "Where to write; default $TFDS_DATA_DIR or ~/tensorflow_datasets.")
    flags.DEFINE_string("manual_dir", "", "Folder of archives that you downloaded yourself.")
    flags.DEFINE_string("from", "", "A source to store: folder:/dir, npz:/file.npz, ..., or tfrecord:/dir.")
    flags.DEFINE_bool("skip_corrupt", False, "Leave out pictures that cannot be decoded.")
    flags.DEFINE_integer("image_size", 0, "With --from: store pictures resized to this height and width.")
    flags.mark_flag_as_required("dataset")
    app.run(main)
