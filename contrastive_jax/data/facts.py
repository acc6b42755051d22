"""What a run records of its training images, so that its networks can be built again without them."""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Int32

from contrastive_jax.data.dataset import no_labels
from contrastive_jax.data.encoded import ImageSet
from contrastive_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class ImageFacts:
    """The attributes of an image set that networks depend on. `resolved.json` of a run holds them as `images`."""

    name: str
    examples: int
    num_classes: int
    """0: unlabelled"""
    image_shape: tuple[int, int, int]
    """Height, width and channels"""
    varies: bool
    """Whether pictures vary in size, so that they do not fill their images"""

    @property
    def labels(self) -> Int32[np.ndarray, " examples"]:
        """Labels for methods that derive shapes from them: every class in turn, not those of the images."""
        if not self.num_classes:
            return no_labels(self.examples)
        return np.arange(self.examples, dtype=np.int32) % self.num_classes


def facts(images: ImageSet) -> ImageFacts:
    """Those of an image set."""
    return ImageFacts(images.name, len(images), images.num_classes, images.image_shape, images.varies)


def recorded(record: dict[str, Any], run: Any) -> ImageFacts:
    """Those of the training images of a run, from its `resolved.json`.

    Raises:
      InputError: the run was written before they were recorded.
    """
    if "images" not in record:
        raise InputError(
            f"{run} does not record what its images are, because an earlier version wrote it: start its pretrain"
            " command again where its images are, which adds that record and goes on from the newest checkpoint."
        )
    found: dict[str, Any] = record["images"]
    shape: Any = tuple(found["image_shape"])
    return ImageFacts(**{**found, "image_shape": shape})
