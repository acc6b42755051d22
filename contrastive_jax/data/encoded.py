"""An image set that stays encoded until its images are needed: pictures in files, or records of a prepared set.

It answers to the same names as `Dataset` (`len`, `labels`, `num_classes`, `name`, `image_shape`, `gather`,
`subset`), so a pipeline need not know which one it reads; `in_memory` makes one of the other.
"""

import concurrent.futures
import dataclasses
import os
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int, Int64, UInt8
from tqdm import tqdm

from contrastive_jax.data import pictures
from contrastive_jax.data.dataset import Dataset, check_labels
from contrastive_jax.data.pictures import CorruptImage
from contrastive_jax.errors import InputError

SAMPLE = 256  # pictures whose headers tell whether a set has one size
LARGEST_NATURAL = 256  # pixels; sets of larger pictures are not taken at their own size unless asked
USUAL_SIZE = 224  # of pictures that vary or are larger
CHUNK = 64  # pictures that one thread decodes at a time


@runtime_checkable
class Records(Protocol):
    """Encoded pictures by number. Must be picklable: worker processes get a copy."""

    def __len__(self) -> int: ...

    def read(self, row: int) -> bytes:
        """The encoded picture."""
        ...

    def where(self, row: int) -> str:
        """What to call it in a sentence: its path, for example."""
        ...


@dataclasses.dataclass(frozen=True, eq=False)
class EncodedImages:
    """Pictures and labels of one split; every picture becomes `image_shape` when it is decoded."""

    records: Records
    positions: Int64[np.ndarray, " n"]
    """The record of every example."""
    labels: np.ndarray
    """int32 [n]; all -1 where num_classes is 0"""
    num_classes: int
    name: str
    image_shape: tuple[int, int, int]
    """Height, width and channels"""

    def __post_init__(self):
        if not len(self.positions):
            raise InputError(f"'{self.name}' has no images; choose another split or a larger range.")
        check_labels(self.labels, len(self.positions), self.num_classes, self.name)

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def nbytes(self) -> int:
        """Bytes of all images as uint8."""
        return len(self) * int(np.prod(self.image_shape))

    @property
    def labelled(self) -> bool:
        return self.num_classes > 0

    def decode(self, row: int) -> UInt8[np.ndarray, "height width channels"]:
        """One image. Raises CorruptImage, which names the file."""
        record = int(self.positions[row])
        return pictures.decode(self.records.read(record), self.image_shape, self.records.where(record))

    def gather(self, indices: Int[np.ndarray, " m"]) -> UInt8[np.ndarray, "m height width channels"]:
        """The images at `indices`, in that order."""
        images = np.empty((len(indices), *self.image_shape), np.uint8)
        for place, row in enumerate(indices.tolist()):
            images[place] = self.decode(row)
        return images

    def subset(self, indices: slice | Int[np.ndarray, " m"]) -> "EncodedImages":
        """The examples at `indices`, in that order."""
        return dataclasses.replace(self, positions=self.positions[indices], labels=self.labels[indices])

    def resized(self, size: int) -> "EncodedImages":
        """The same pictures, decoded to size x size."""
        return dataclasses.replace(self, image_shape=(size, size, self.image_shape[2]))

    def in_memory(self) -> Dataset:
        """All images decoded, by as many threads as there are cores. Raises CorruptImage with a list."""
        images, corrupt = np.empty((len(self), *self.image_shape), np.uint8), []

        def decode_chunk(start: int) -> int:
            rows = range(start, min(start + CHUNK, len(self)))
            for row in rows:
                try:
                    images[row] = self.decode(row)
                except CorruptImage as error:
                    corrupt.append((row, str(error)))
            return len(rows)

        with (
            concurrent.futures.ThreadPoolExecutor(cores()) as threads,
            tqdm(total=len(self), desc=f"decoding {self.name}", unit="images", disable=None) as bar,
        ):
            for done in threads.map(decode_chunk, range(0, len(self), CHUNK)):
                bar.update(done)
        if corrupt:
            raise CorruptImage(corruption([sentence for _, sentence in sorted(corrupt)], self.name))
        return Dataset(images, self.labels, self.num_classes, self.name)


ImageSet = Dataset | EncodedImages


def usual_shape(records: Records, channels: int) -> tuple[int, int, int]:
    """The shape that a set's pictures get when nobody chooses one.

    Their own, where an evenly spaced sample of them has one size of at most 256 pixels; else 224 x 224. A
    picture of another size that the sample missed is resized to cover that shape, never refused.
    """
    sizes = set()
    for row in np.unique(np.linspace(0, len(records) - 1, SAMPLE).astype(int)):
        try:
            sizes.add(pictures.natural_size(records.read(int(row)), records.where(int(row))))
        except CorruptImage:  # it is met again when it is decoded
            continue
    height, width = sizes.pop() if len(sizes) == 1 else (USUAL_SIZE, USUAL_SIZE)
    if max(height, width) > LARGEST_NATURAL:
        height, width = USUAL_SIZE, USUAL_SIZE
    return height, width, channels


def corruption(sentences: list[str], name: str) -> str:
    """One sentence for several corrupt pictures."""
    first = "; ".join(sentence.rstrip(".") for sentence in sentences[:3])
    more = f"; and {len(sentences) - 3} more" if len(sentences) > 3 else ""
    return (
        f"{len(sentences)} pictures of '{name}' are corrupt: {first}{more}. Replace or remove them, or let "
        "`python -m contrastive_jax.data.prepare --skip_corrupt` store the others."
    )


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
