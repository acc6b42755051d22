"""Augmentation inside the jitted step: uint8 images in, normalised float32 views out.

Every operation is a pure function of one image and one key. A strength or probability of zero leaves its
operation out of the compiled program. To add an operation: write the function in `augment_geometry` or
`augment_color`, give `Recipe` the fields it needs (defaults that switch it off), and call it at its place in
`augment`. Its key comes from its name, so the draws of the other operations stay what they were.
"""

import dataclasses
import zlib

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, UInt8

from contrastive_jax.data.augment_color import color_jitter, random_grayscale
from contrastive_jax.data.augment_geometry import (
    INTERPOLATIONS,
    centred_box,
    padding_crop,
    random_flip,
    resize_box,
    resized_crop,
)
from contrastive_jax.errors import InputError, nearest


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What happens to an image. The defaults are SimCLR's and SupCon's for CIFAR."""

    size: int = 0
    """Side of the square result in pixels; 0: the images' own shorter side."""
    crop_scale: tuple[float, float] = (0.2, 1.0)
    """Range of the crop's share of the area; (1, 1) together with `crop_ratio` (1, 1): no resized crop."""
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    """Range of the crop's width / height."""
    interpolation: str = "bilinear"
    """`bilinear` or `bicubic`."""
    antialias: bool = True
    """Widen the kernel when shrinking, as PIL does."""
    pad: int = 0
    """Black border in pixels out of which a crop of the full size is taken; 0: none."""
    flip: float = 0.5
    """Probability of a horizontal flip."""
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1
    """Strengths of the color jitter; a hue of 0.5 reaches every color."""
    jitter_probability: float = 0.8
    gray_probability: float = 0.2
    center_fraction: float = 1.0
    """Evaluation only: side of the centre crop over the shorter side, e.g. 224 / 256."""
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    """Of the pixels in [0, 1], one value or one per channel; (): to be filled in from the dataset."""

    def __post_init__(self):
        if self.interpolation not in INTERPOLATIONS:
            hint = nearest(self.interpolation, INTERPOLATIONS)
            raise InputError(f"augment.interpolation '{self.interpolation}' is unknown: {hint}")
        for name in ("flip", "jitter_probability", "gray_probability"):
            _check(name, getattr(self, name), 0.0 <= getattr(self, name) <= 1.0, "a probability in [0, 1]")
        for name in ("size", "pad", "brightness", "contrast", "saturation"):
            _check(name, getattr(self, name), getattr(self, name) >= 0, "0 or more")
        _check("hue", self.hue, 0 <= self.hue <= 0.5, "in [0, 0.5]")
        scale, ratio = self.crop_scale, self.crop_ratio
        ordered = "a pair (low, high) with 0 < low <= high"
        _check("crop_scale", scale, len(scale) == 2 and 0 < scale[0] <= scale[1] <= 1, ordered + " <= 1")
        _check("crop_ratio", ratio, len(ratio) == 2 and 0 < ratio[0] <= ratio[1], ordered)
        _check("center_fraction", self.center_fraction, 0 < self.center_fraction <= 1, "in (0, 1]")
        _check("std", self.std, all(value > 0 for value in self.std), "positive")


def make_views(
    recipe: Recipe, images: UInt8[Array, "batch height width channel"], key: Key[Array, ""], n_views: int
) -> Float[Array, "batch view size size channel"]:
    """`n_views` independent augmentations of every image of the global batch.

    View v of the image at position i draws from `fold_in(fold_in(key, i), v)`: the result depends on the
    position in the global batch and not on how the batch is spread over devices.
    """

    def views(image, position):
        example_key = jax.random.fold_in(key, position)
        return jax.vmap(lambda v: augment(recipe, image, jax.random.fold_in(example_key, v)))(view)

    view = jnp.arange(n_views)
    return jax.vmap(views)(images, jnp.arange(len(images)))


def augment(
    recipe: Recipe, image: UInt8[Array, "height width channel"], key: Key[Array, ""]
) -> Float[Array, "size size channel"]:
    """One random view of one image, normalised."""

    def key_of(operation: str) -> Key[Array, ""]:
        return jax.random.fold_in(key, zlib.crc32(operation.encode()))

    x = image.astype(jnp.float32) / 255.0
    x = resized_crop(
        x,
        key_of("resized_crop"),
        size=_size(recipe, image),
        scale=recipe.crop_scale,
        ratio=recipe.crop_ratio,
        interpolation=recipe.interpolation,
        antialias=recipe.antialias,
    )
    x = padding_crop(x, key_of("padding_crop"), pad=recipe.pad)
    x = random_flip(x, key_of("flip"), probability=recipe.flip)
    x = color_jitter(
        x,
        key_of("color_jitter"),
        brightness=recipe.brightness,
        contrast=recipe.contrast,
        saturation=recipe.saturation,
        hue=recipe.hue,
        probability=recipe.jitter_probability,
    )
    x = random_grayscale(x, key_of("grayscale"), probability=recipe.gray_probability)
    return normalise(x, recipe.mean, recipe.std)


def plain(
    recipe: Recipe, images: UInt8[Array, "batch height width channel"]
) -> Float[Array, "batch size size channel"]:
    """The images as the evaluation sees them: centre square, resized where the size differs, normalised."""
    _, height, width, _ = images.shape
    size = _size(recipe, images[0])
    x = images.astype(jnp.float32) / 255.0
    if not height == width == size or recipe.center_fraction < 1:
        box = centred_box(height, width, ratio=(1.0, 1.0), fraction=recipe.center_fraction)

        def resize(image):
            return resize_box(
                image, box, size=size, interpolation=recipe.interpolation, antialias=recipe.antialias
            )

        x = jax.vmap(resize)(x)
    return normalise(x, recipe.mean, recipe.std)


def normalise(
    x: Float[Array, "*shape channel"], mean: tuple[float, ...], std: tuple[float, ...]
) -> Float[Array, "*shape channel"]:
    """`(x - mean) / std` per channel."""
    channels = x.shape[-1]
    for name, values in (("mean", mean), ("std", std)):
        if len(values) not in (1, channels):
            raise InputError(
                f"augment.{name} has {len(values)} values for images of {channels} channel(s): "
                "give one value or one per channel."
            )
    shape = (1,) * (x.ndim - 1) + (-1,)
    return (x - jnp.asarray(mean).reshape(shape)) / jnp.asarray(std).reshape(shape)


def _size(recipe: Recipe, image: UInt8[Array, "height width channel"]) -> int:
    return recipe.size or min(image.shape[:2])


def _check(name: str, value: object, valid: bool, expected: str) -> None:
    if not valid:
        raise InputError(f"augment.{name} must be {expected}, not {value}.")
