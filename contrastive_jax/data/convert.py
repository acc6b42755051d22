"""Converts a prepared tensorflow-datasets directory from TFRecord, its default, to array_record: once, resumably.

The records stay what they are, serialized tf.train.Example messages; only the container changes, which for
TFRecord (length, checksum, bytes, checksum) needs no TensorFlow to read. Shard by shard, in a directory
VERSION.incomplete that takes its name when all of it is there.
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
    """Writes the array_record twin of `source` (DIR/name/version, TFRecord) to `folder`."""
    info = _info(source)
    if folder.exists():
        raise InputError(f"{folder} exists already; choose another --data_dir.")
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
    """What dataset_info.json says of a TFRecord directory."""
    missing = [name for name in METADATA if not (source / name).is_file()]
    if missing:
        raise InputError(
            f"{source} holds no {missing[0]}; name the directory of one version, DIR/name/1.0.0."
        )
    info = json.loads((source / METADATA[0]).read_text())
    if info.get("fileFormat", "tfrecord") != "tfrecord":
        raise InputError(f"{source} is {info['fileFormat']}, not tfrecord; it needs no conversion from that.")
    return info


def _files(source: pathlib.Path, split: str) -> list[pathlib.Path]:
    """The shards of a split in their order."""
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
        raise InputError(f"{file} holds {count} records, not the {length} that its dataset_info.json tells.")
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
                raise InputError(f"{file} is cut off; copy or prepare the data set again.")
            yield record
