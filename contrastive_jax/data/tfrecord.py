"""Converts a prepared tensorflow-datasets directory from TFRecord, its default format, to array_record.

The records, serialized tf.train.Example messages, stay as they are; only the container changes. A TFRecord file is
a sequence of length, checksum, bytes and checksum, which can be read without TensorFlow. The work is done shard by
shard in VERSION.incomplete, which is renamed when it is complete; a killed run can be resumed.
"""

import json
import os
import pathlib
import shutil
import struct
from collections.abc import Iterator

from tqdm import tqdm

from contrastive_jax.data.store import OPTIONS
from contrastive_jax.errors import InputError

LENGTH_AND_CHECKSUM, CHECKSUM = 12, 4  # bytes before and after a record
METADATA = ("dataset_info.json", "features.json")


def convert(source: pathlib.Path, folder: pathlib.Path) -> None:
    """Converts `source` (DIR/name/version with TFRecord files) to `folder`.

    Raises:
      InputError: `folder` exists, or `source` is not a complete TFRecord directory.
    """
    info = _info(source)
    if folder.exists():
        raise InputError(f"{folder} already exists; choose another --data_dir.")
    if folder.resolve() == source.resolve():
        raise InputError(f"{source} cannot be converted in place; choose another --data_dir.")
    incomplete = folder.with_name(folder.name + ".incomplete")
    incomplete.mkdir(parents=True, exist_ok=True)
    shards = [
        (file, length)
        for split in info["splits"]
        for file, length in zip(_files(source, split["name"]), map(int, split["shardLengths"]), strict=True)
    ]
    with tqdm(total=sum(length for _, length in shards), unit="images", disable=None) as bar:
        for file, length in shards:
            _convert_shard(file, length, incomplete)
            bar.update(length)
    for file in source.iterdir():
        if file.suffix in (".json", ".txt") and file.name not in METADATA[:1]:
            shutil.copyfile(file, incomplete / file.name)
    info["fileFormat"] = "array_record"
    for split in info["splits"]:
        split["filepathTemplate"] = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"
    (incomplete / METADATA[0]).write_text(json.dumps(info, indent=2))
    incomplete.rename(folder)


def _info(source: pathlib.Path) -> dict:
    """The content of the dataset_info.json of a TFRecord directory."""
    missing = [name for name in METADATA if not (source / name).is_file()]
    if missing:
        raise InputError(f"{source} has no {missing[0]}; give the directory of one version, DIR/name/1.0.0.")
    info = json.loads((source / METADATA[0]).read_text())
    if info.get("fileFormat", "tfrecord") != "tfrecord":
        raise InputError(
            f"{source} is in the format {info['fileFormat']}, not tfrecord; it cannot be converted."
        )
    return info


def _files(source: pathlib.Path, split: str) -> list[pathlib.Path]:
    """The shards of a split, in order."""
    return sorted(source.glob(f"*-{split}.tfrecord-*-of-*"))


def _convert_shard(file: pathlib.Path, length: int, incomplete: pathlib.Path) -> None:
    from array_record.python.array_record_module import ArrayRecordWriter

    final = incomplete / file.name.replace(".tfrecord-", ".array_record-")
    if final.exists():
        return
    part = final.with_name(f"{final.name}.part{os.getpid()}")
    writer, count = ArrayRecordWriter(str(part), OPTIONS), 0
    for record in _records(file):
        writer.write(record)
        count += 1
    writer.close()
    if count != length:
        part.unlink()
        raise InputError(
            f"{file} has {count} records, but dataset_info.json says {length}; copy or prepare the data set again."
        )
    with part.open("rb") as written:
        os.fsync(written.fileno())
    part.replace(final)


def _records(file: pathlib.Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while head := stream.read(LENGTH_AND_CHECKSUM):
            record = b""
            if len(head) == LENGTH_AND_CHECKSUM:
                (size,) = struct.unpack("<Q", head[:8])
                record = stream.read(min(size, file.stat().st_size))
            if len(head) < LENGTH_AND_CHECKSUM or len(record) < size or len(stream.read(CHECKSUM)) < CHECKSUM:
                raise InputError(f"{file} is truncated; copy or prepare the data set again.")
            yield record
