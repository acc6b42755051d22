"""An image set that stays encoded until its images are needed: pictures in files, or records of a prepared set.

It shares the interface of `Dataset` (`len`, `labels`, `num_classes`, `name`, `image_shape`, `varies`, `gather`,
`subset`), so pipelines accept either. `in_memory` converts it to a `Dataset`.

Pictures that vary in size are decoded whole, each into the top left corner of a square canvas, and their heights and
widths travel with them: random crops are drawn on the device, inside the pictures. Pictures of one small size are
decoded to that size and carry nothing.
"""

import concurrent.futures
import dataclasses
import os
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int, Int64, UInt8
from tqdm import tqdm

from contrastive_jax.data import pictures
from contrastive_jax.data.dataset import Dataset, HostBatch, check_labels, examples
from contrastive_jax.data.pictures import CorruptImage
from contrastive_jax.errors import InputError

SAMPLE = 256  # pictures whose headers are read to see whether all have one size
LARGEST_NATURAL = 256  # pixels; the longest side of pictures of one size that are not shrunk
USUAL_CANVAS = 448  # pixels; the longest side of pictures that are larger or vary in size
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
    """Pictures and labels of one split."""

    records: Records
    positions: Int64[np.ndarray, " n"]
    """The number of each example's record."""
    labels: np.ndarray
    """int32 [n]; all -1 if num_classes is 0"""
    num_classes: int
    name: str
    image_shape: tuple[int, int, int]
    """Height, width and channels of a decoded image"""
    varies: bool = False
    """Pictures are decoded whole, into a corner of the image. Otherwise each fills it, with its centre."""

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
        """Decodes one picture; without the rest of its image, if pictures vary in size.

        Raises:
          CorruptImage: it cannot be decoded; the message names the file.
        """
        record = int(self.positions[row])
        data, where = self.records.read(record), self.records.where(record)
        if self.varies:
            return pictures.decode_within(data, self.image_shape[0], self.image_shape[2], where)
        return pictures.decode(data, self.image_shape, where)

    def gather(self, indices: Int[np.ndarray, " m"]) -> HostBatch:
        """The examples at `indices`, in that order, as `Dataset.gather` returns them."""
        images, extents = self._empty(len(indices))
        for place, row in enumerate(indices.tolist()):
            extents[place] = self._decode_to(images[place], row)
        return examples(images, extents if self.varies else None, self.labels[indices], indices)

    def subset(self, indices: slice | Int[np.ndarray, " m"]) -> "EncodedImages":
        """The examples at `indices`, in that order."""
        return dataclasses.replace(self, positions=self.positions[indices], labels=self.labels[indices])

    def resized(self, size: int) -> "EncodedImages":
        """The same pictures with a longest side of at most `size`; squares of one size become `size` x `size`."""
        height, width, channels = self.image_shape
        varies = self.varies or height != width
        return dataclasses.replace(self, image_shape=(size, size, channels), varies=varies)

    def squares(self, size: int) -> "EncodedImages":
        """The centre squares of the pictures, as `size` x `size`."""
        return dataclasses.replace(self, image_shape=(size, size, self.image_shape[2]), varies=False)

    def in_memory(self) -> Dataset:
        """Decodes all images with one thread per core.

        Raises:
          CorruptImage: some cannot be decoded; the message counts them and names the first ones.
        """
        (images, extents), corrupt = self._empty(len(self)), []

        def decode_chunk(start: int) -> int:
            rows = range(start, min(start + CHUNK, len(self)))
            for row in rows:
                try:
                    extents[row] = self._decode_to(images[row], row)
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
        return Dataset(images, self.labels, self.num_classes, self.name, extents if self.varies else None)

    def _empty(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Room for that many images, black around the pictures, and for the height and width of each picture."""
        make = np.zeros if self.varies else np.empty
        return make((count, *self.image_shape), np.uint8), np.empty((count, 2), np.int32)

    def _decode_to(self, image: UInt8[np.ndarray, "height width channels"], row: int) -> tuple[int, int]:
        """Decodes a picture into the corner of its image; returns its height and width."""
        picture = self.decode(row)
        height, width, _ = picture.shape
        image[:height, :width] = picture
        return height, width


ImageSet = Dataset | EncodedImages


def usual_shape(records: Records, channels: int) -> tuple[tuple[int, int, int], bool]:
    """`image_shape` and `varies` of these pictures if the user does not choose a size.

    The shape is their natural size if an evenly spaced sample of them has a single size of at most 256 pixels; pictures
    of another size that the sample missed are resized to cover it. All other pictures vary, in images of 448 x 448.
    """
    sizes = set()
    for row in np.unique(np.linspace(0, len(records) - 1, SAMPLE).astype(int)):
        try:
            sizes.add(pictures.natural_size(records.read(int(row)), records.where(int(row))))
        except CorruptImage:  # decoding will report it
            continue
    if len(sizes) == 1 and max(size := sizes.pop()) <= LARGEST_NATURAL:
        return (*size, channels), False
    return (USUAL_CANVAS, USUAL_CANVAS, channels), True


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
