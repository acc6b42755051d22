"""Stores any source as a prepared tensorflow-datasets directory of array_record files, without TensorFlow.

The work happens in DIR/name/1.0.0.incomplete. `plan.json` there says what is being stored. A shard gets its final name
when it is complete and on disk, and a `.json` beside it describes its content. A killed run resumes with the missing
shards. At the end, one rename makes the directory DIR/name/1.0.0.

Pictures keep their bytes: a JPEG is not encoded again. Arrays, and formats that decoders disagree on (CMYK, 16 bits,
EXIF orientation, GIF, ...), become PNG.
"""

import concurrent.futures
import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from tqdm import tqdm

from contrastive_jax.data import pictures
from contrastive_jax.data.encoded import EncodedImages, ImageSet, cores, corruption
from contrastive_jax.data.pictures import CorruptImage
from contrastive_jax.errors import InputError

PER_SHARD = 2048  # examples, the most that a killed run loses
OPTIONS = "group_size:1,uncompressed"  # records are read one at a time, and pictures are already compressed


def store(
    name: str,
    folder: pathlib.Path,
    splits: dict[str, ImageSet],
    description: str,
    *,
    skip_corrupt: bool = False,
    image_size: int = 0,
) -> list[str]:
    """Writes `splits` to `folder` (DIR/name/version).

    Args:
      image_size: store all pictures shrunk to this longest side, as PNG; 0 keeps their bytes.

    Returns:
      A message for each corrupt picture that was left out.

    Raises:
      CorruptImage: there are corrupt pictures, and `skip_corrupt` is false. Everything else is stored by then.
    """
    incomplete = folder.with_name(folder.name + ".incomplete")
    plan = {"description": description, "image_size": image_size, "splits": _fingerprints(splits)}
    if image_size and any(images.varies for images in splits.values()):
        plan["whole"] = True  # versions that stored centre squares began other shards under the same plan
    _open(incomplete, plan)
    shards = [shard for split, images in splits.items() for shard in _shards(name, split, images, image_size)]
    done = {
        shard.file: json.loads(found.read_text())
        for shard in shards
        if (found := shard.note(incomplete)).exists()
    }
    failed: list[str] = []
    with (
        concurrent.futures.ThreadPoolExecutor(cores()) as threads,
        tqdm(
            total=sum(len(shard.rows) for shard in shards),
            desc=f"storing {name}",
            unit="images",
            disable=None,
        ) as bar,
    ):
        bar.update(sum(len(shard.rows) for shard in shards if shard.file in done))
        for shard in shards:
            if shard.file not in done:
                done[shard.file] = _write(shard, incomplete, threads, bar, skip_corrupt)
                failed += done[shard.file]["corrupt"]
    if failed and not skip_corrupt:
        _list(incomplete, failed)
        raise CorruptImage(corruption(failed, description) + f" All: {incomplete / 'corrupt.txt'}.")
    _write_metadata(incomplete, shards, done, description)
    skipped = [sentence for shard in shards for sentence in done[shard.file]["corrupt"]]
    _list(incomplete, skipped)
    incomplete.rename(folder)
    for leftover in [folder / "plan.json", *(shard.note(folder) for shard in shards)]:
        leftover.unlink()
    return skipped


@dataclasses.dataclass(frozen=True)
class Shard:
    """A range of a split's examples and the file that stores them."""

    split: str
    file: str
    images: ImageSet
    rows: range
    image_size: int

    def note(self, folder: pathlib.Path) -> pathlib.Path:
        return folder / (self.file + ".json")

    def encoded(self, row: int) -> bytes | CorruptImage:
        """The bytes that are stored for the picture, or its error."""
        images = self.images
        if not isinstance(images, EncodedImages):
            return pictures.png(images.images[row])
        try:
            if self.image_size:
                return pictures.png(images.decode(row))
            record = int(images.positions[row])
            where = images.records.where(record)
            return pictures.faithful(images.records.read(record), images.image_shape[2], where)
        except CorruptImage as error:
            return error

    def features(self) -> dict[str, Any]:
        """The features of the examples, as tensorflow-datasets describes them."""
        import tensorflow_datasets as tfds

        height, width, channels = self.images.image_shape
        fixed = not isinstance(self.images, EncodedImages) or (self.image_size and not self.images.varies)
        shape = (height, width, channels) if fixed else (None, None, channels)
        labels = (
            {"label": tfds.features.ClassLabel(num_classes=self.images.num_classes)}
            if self.images.labelled
            else {}
        )
        return {"image": tfds.features.Image(shape=shape)} | labels


def _shards(name: str, split: str, images: ImageSet, image_size: int) -> Iterator[Shard]:
    count = -(-len(images) // PER_SHARD)
    for number in range(count):
        file = f"{name}-{split}.array_record-{number:05d}-of-{count:05d}"
        rows = range(number * PER_SHARD, min((number + 1) * PER_SHARD, len(images)))
        yield Shard(split, file, images, rows, image_size)


def _write(
    shard: Shard, folder: pathlib.Path, threads: concurrent.futures.Executor, bar: tqdm, skip_corrupt: bool
) -> dict[str, Any]:
    """Writes one shard, unless a picture is corrupt and must not be skipped; returns a description of its content."""
    import tensorflow_datasets as tfds
    from array_record.python.array_record_module import ArrayRecordWriter
    from tensorflow_datasets.core.example_serializer import ExampleSerializer

    specification: Any = tfds.features.FeaturesDict(shard.features()).get_serialized_info()
    serializer = ExampleSerializer(specification)
    note: dict[str, Any] = {"examples": 0, "bytes": 0, "corrupt": []}
    part = folder / f"{shard.file}.part{os.getpid()}"
    writer = ArrayRecordWriter(str(part), OPTIONS)
    for row, found in zip(shard.rows, threads.map(shard.encoded, shard.rows)):
        bar.update()
        if isinstance(found, CorruptImage):
            note["corrupt"].append(str(found))
            continue
        label = {"label": int(shard.images.labels[row])} if shard.images.labelled else {}
        writer.write(serializer.serialize_example({"image": found} | label))
        note["examples"] += 1
        note["bytes"] += len(found)
    writer.close()
    if note["corrupt"] and not skip_corrupt:
        part.unlink()
        return note
    if note["examples"] == 0:
        raise InputError(f"all pictures of shard {shard.file} are corrupt: {note['corrupt'][0]}")
    _settle(part, folder / shard.file)
    temporary = shard.note(folder).with_suffix(f".part{os.getpid()}")
    temporary.write_text(json.dumps(note))
    _settle(temporary, shard.note(folder))  # last: a shard without a note is written again
    return note


def _settle(part: pathlib.Path, final: pathlib.Path) -> None:
    """Renames a complete file to its final name once its bytes are on disk."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(final)


def _open(incomplete: pathlib.Path, plan: dict[str, Any]) -> None:
    """Creates the working directory, or reopens that of a killed run with the same plan."""
    file = incomplete / "plan.json"
    if file.exists():
        if json.loads(file.read_text()) != plan:
            raise InputError(
                f"{incomplete} belongs to an unfinished run with another source or other pictures; "
                "delete that folder to start again."
            )
        for part in incomplete.glob("*.part*"):
            part.unlink()
        return
    incomplete.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(".part")
    temporary.write_text(json.dumps(plan))
    temporary.replace(file)


def _fingerprints(splits: dict[str, ImageSet]) -> dict[str, Any]:
    """Identifies the content of the splits by hashes of the labels and of the pixels or paths."""
    found = {}
    for split, images in splits.items():
        digest = hashlib.sha256(images.labels.tobytes())
        if isinstance(images, EncodedImages):
            rows = np.unique(np.linspace(0, len(images) - 1, 10_000).astype(int))
            names = "\n".join(images.records.where(int(images.positions[row])) for row in rows)
            digest.update(names.encode("utf-8", "surrogateescape"))
        else:
            digest.update(np.ascontiguousarray(images.images).data)
        found[split] = {"examples": len(images), "sha256": digest.hexdigest()}
    return found


def _list(folder: pathlib.Path, sentences: list[str]) -> None:
    """Writes corrupt.txt with one line per picture; removes it if there are none."""
    file = folder / "corrupt.txt"
    if sentences:
        file.write_text("\n".join(sentences) + "\n", encoding="utf-8", errors="surrogateescape")
    else:
        file.unlink(missing_ok=True)


def _write_metadata(
    folder: pathlib.Path, shards: list[Shard], done: dict[str, dict[str, Any]], description: str
) -> None:
    """Writes dataset_info.json and features.json."""
    import tensorflow_datasets as tfds
    from etils import epath

    template = tfds.core.ShardedFileTemplate(
        template="{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}", data_dir=epath.Path(folder)
    )
    infos: list[Any] = []
    for split in dict.fromkeys(shard.split for shard in shards):
        notes = [done[shard.file] for shard in shards if shard.split == split]
        lengths, size = [note["examples"] for note in notes], sum(note["bytes"] for note in notes)
        infos.append(
            tfds.core.SplitInfo(name=split, shard_lengths=lengths, num_bytes=size, filename_template=template)
        )
    tfds.folder_dataset.write_metadata(
        data_dir=str(folder),
        features=tfds.features.FeaturesDict(shards[0].features()),
        split_infos=infos,
        check_data=False,
        version=folder.name.removesuffix(".incomplete"),
        description=description,
        disable_shuffling=True,
    )
