"""An image set that stays encoded until its images are needed: pictures in files, or records of a prepared set.

It shares the interface of `Dataset` (`len`, `labels`, `num_classes`, `name`, `image_shape`, `gather`, `subset`), so
pipelines accept either. `in_memory` converts it to a `Dataset`.
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

SAMPLE = 256  # pictures whose headers are read to see whether all have one size
LARGEST_NATURAL = 256  # pixels; larger pictures are resized unless the user chooses a size
USUAL_SIZE = 224  # pixels, for pictures that are larger or vary in size
CHUNK = 64  # pictures that a thread decodes at a time


@runtime_checkable
class Records(Protocol):
    """Encoded pictures by number. Must be picklable, because worker processes get a copy."""

    def __len__(self) -> int: ...

    def read(self, row: int) -> bytes:
        """The encoded bytes of picture `row`."""
        ...

    def where(self, row: int) -> str:
        """A name for error messages, such as its path."""
        ...


@dataclasses.dataclass(frozen=True, eq=False)
class EncodedImages:
    """Pictures and labels of one split. Decoding brings every picture to `image_shape`."""

    records: Records
    positions: Int64[np.ndarray, " n"]
    """The number of each example's record."""
    labels: np.ndarray
    """int32 [n]; all -1 if num_classes is 0"""
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
        """Size of all decoded images in bytes."""
        return len(self) * int(np.prod(self.image_shape))

    @property
    def labelled(self) -> bool:
        return self.num_classes > 0

    def decode(self, row: int) -> UInt8[np.ndarray, "height width channels"]:
        """Decodes one image.

        Raises:
          CorruptImage: it cannot be decoded; the message names the file.
        """
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
        """The same pictures, decoded to `size` x `size`."""
        return dataclasses.replace(self, image_shape=(size, size, self.image_shape[2]))

    def in_memory(self) -> Dataset:
        """Decodes all images with one thread per core.

        Raises:
          CorruptImage: some cannot be decoded; the message counts them and names the first ones.
        """
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
    """The shape that pictures are decoded to if the user does not choose one.

    It is their natural size if an evenly spaced sample of them has a single size of at most 256 pixels, else
    224 x 224. Pictures of another size that the sample missed are resized to cover that shape.
    """
    sizes = set()
    for row in np.unique(np.linspace(0, len(records) - 1, SAMPLE).astype(int)):
        try:
            sizes.add(pictures.natural_size(records.read(int(row)), records.where(int(row))))
        except CorruptImage:  # decoding will report it
            continue
    height, width = sizes.pop() if len(sizes) == 1 else (USUAL_SIZE, USUAL_SIZE)
    if max(height, width) > LARGEST_NATURAL:
        height, width = USUAL_SIZE, USUAL_SIZE
    return height, width, channels


def corruption(sentences: list[str], name: str) -> str:
    """The error message for several corrupt pictures."""
    first = "; ".join(sentence.rstrip(".") for sentence in sentences[:3])
    more = f"; and {len(sentences) - 3} more" if len(sentences) > 3 else ""
    return (
        f"{len(sentences)} pictures of '{name}' are corrupt: {first}{more}. Replace or remove them, or store the "
        "others with `python -m contrastive_jax prepare --skip_corrupt`."
    )


def cores() -> int:
    """The number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
