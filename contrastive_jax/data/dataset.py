"""An image set in memory, which sources of small images return and every pipeline accepts."""

import dataclasses

import numpy as np
from jaxtyping import Int, Int32

from contrastive_jax.errors import InputError

CHANNELS = (1, 3)
LARGEST_LABEL = np.iinfo(np.int32).max
UNLABELLED = -1
HostBatch = dict[str, np.ndarray]
"""`image` uint8 [m, height, width, channels], `label` and `index` (the row in the data set) int32 [m], and, only where
pictures vary in size, `extent` int32 [m, 2]: height and width of each picture in the top left corner of its image."""


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels of one split.

    Images keep their stored range of 0 to 255 until they are on the device, and have 1 channel (gray) or 3 (RGB).
    Labels are 0 to num_classes - 1; a split need not contain every class. An unlabelled set has num_classes 0 and
    label -1 everywhere; only self-supervised methods can train on it.

    Raises:
      InputError: images or labels of another type, shape or range, or no images at all.
    """

    # Plain arrays in the signature, so that a mistake meets these checks before a run-time type checker.
    images: np.ndarray
    """uint8 [n, height, width, channels]"""
    labels: np.ndarray
    """int32 [n]"""
    num_classes: int
    name: str
    extents: np.ndarray | None = None
    """int32 [n, 2], where pictures vary in size: height and width of each, in the top left corner of its image"""

    def __post_init__(self):
        _check_images(self.images, self.name)
        _check_extents(self.extents, self.images, self.name)
        check_labels(self.labels, len(self.images), self.num_classes, self.name)

    def __len__(self) -> int:
        return len(self.images)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of every image."""
        height, width, channels = self.images.shape[1:]
        return height, width, channels

    @property
    def nbytes(self) -> int:
        """Size of all images in bytes."""
        return self.images.nbytes

    @property
    def labelled(self) -> bool:
        return self.num_classes > 0

    @property
    def varies(self) -> bool:
        """Whether pictures vary in size, so that they do not fill their images."""
        return self.extents is not None

    def gather(self, indices: Int[np.ndarray, " m"]) -> HostBatch:
        """A copy of the examples at `indices`, in that order."""
        extents = None if self.extents is None else self.extents[indices]
        return examples(self.images[indices], extents, self.labels[indices], indices)

    def subset(self, indices: slice | Int[np.ndarray, " m"]) -> "Dataset":
        """The examples at `indices`, in that order. A slice shares memory with this set."""
        extents = None if self.extents is None else self.extents[indices]
        return dataclasses.replace(
            self, images=self.images[indices], labels=self.labels[indices], extents=extents
        )

    def in_memory(self) -> "Dataset":
        """This set itself; `EncodedImages` has the same method."""
        return self


def examples(
    images: np.ndarray, extents: np.ndarray | None, labels: np.ndarray, indices: np.ndarray
) -> HostBatch:
    """The entries of a batch; without `extent` if pictures fill their images."""
    batch = {"image": images, "label": labels, "index": indices.astype(np.int32)}
    return batch if extents is None else batch | {"extent": extents}


def no_labels(n: int) -> Int32[np.ndarray, " n"]:
    """The labels of `n` unlabelled images; num_classes of such a set is 0."""
    return np.full(n, UNLABELLED, np.int32)


def int32_labels(labels: np.ndarray, name: str) -> Int32[np.ndarray, " n"]:
    """Converts class numbers of any integer type to int32; rejects floats, one-hot rows and huge numbers."""
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(
            f"labels of '{name}' are {labels.dtype} of shape {labels.shape}; "
            "give one integer class number per image."
        )
    if labels.size and labels.max() > LARGEST_LABEL:
        raise InputError(f"labels of '{name}' go up to {labels.max()}; number the classes from 0.")
    return labels.astype(np.int32)


def check_labels(labels: np.ndarray, n: int, num_classes: int, name: str) -> None:
    """Rejects labels of `n` images unless they are int32 [n] in 0..num_classes-1, or all -1 without classes."""
    if not isinstance(labels, np.ndarray) or labels.dtype != np.int32 or labels.shape != (n,):
        kind, shape = getattr(labels, "dtype", type(labels).__name__), getattr(labels, "shape", ())
        raise InputError(
            f"labels of '{name}' are {kind} of shape {shape}; expected int32 of shape ({n},), one per image."
        )
    unlabelled = num_classes == 0 and np.all(labels == UNLABELLED)
    if not unlabelled and (labels.min() < 0 or labels.max() >= num_classes):
        raise InputError(
            f"labels of '{name}' range from {labels.min()} to {labels.max()}, outside 0 to {num_classes - 1} "
            f"({num_classes} classes); number the classes from 0."
        )


def _check_extents(extents, images: np.ndarray, name: str) -> None:
    if extents is None:
        return
    shape = (len(images), 2)
    if extents.dtype != np.int32 or extents.shape != shape:
        raise InputError(
            f"extents of '{name}' are {extents.dtype} of shape {extents.shape}; expected int32 of shape {shape}."
        )
    if extents.min() < 1 or (extents > images.shape[1:3]).any():
        raise InputError(f"extents of '{name}' are not inside its images of {images.shape[1:3]} pixels.")


def _check_images(images, name: str) -> None:
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
        kind = getattr(images, "dtype", type(images).__name__)
        raise InputError(f"images of '{name}' are {kind}; store them as a uint8 array (0 to 255).")
    if images.ndim != 4 or images.shape[-1] not in CHANNELS or 0 in images.shape[1:]:
        raise InputError(
            f"images of '{name}' have shape {images.shape}; "
            "expected [n, height, width, channels] with 1 or 3 channels."
        )
    if not len(images):
        raise InputError(f"'{name}' has no images; choose another split or a larger range.")
