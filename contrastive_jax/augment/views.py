"""Views of images inside the jitted step: uint8 images in, normalised float32 views out.

Every operation is a pure function of one image and one key. A strength or probability of zero leaves its operation
out of the compiled program. To add an operation, write the function in the file of this package where it belongs,
give `Recipe` the fields it needs (with defaults that switch it off), and call it in `augment_image`. Its key is
derived from its name, so the draws of the other operations do not change.
"""

import dataclasses
import zlib
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, UInt8

from contrastive_jax.augment.bits import append_bits, random_bits
from contrastive_jax.augment.blur import random_blur, random_solarize
from contrastive_jax.augment.color import color_jitter, random_grayscale
from contrastive_jax.augment.erase import cutout, random_erasing
from contrastive_jax.augment.geometry import (
    Extent,
    evaluation_crop,
    padding_crop,
    random_flip,
    resized_crop,
)
from contrastive_jax.augment.mix import mix
from contrastive_jax.augment.policies import random_policy
from contrastive_jax.augment.recipe import Recipe, geometry_only, view_shape
from contrastive_jax.augment.warp import random_rotation, random_warp
from contrastive_jax.errors import InputError

Image = Float[Array, "height width channel"]
KeyOf = Callable[[str], Key[Array, ""]]
Extents = Int[Array, "batch 2"] | None
"""Height and width of every picture, in the top left corner of its image; None: pictures fill their images."""

__all__ = ["Recipe", "add_views", "augment_image", "geometry_only", "make_views", "plain", "view_shape"]


def add_views(recipe: Recipe, batch: dict[str, Array], key: Key[Array, ""], n_views: int) -> dict[str, Array]:
    """Adds the views of a batch's images to the batch.

    Args:
      batch: `image` is uint8 [batch, height, width, channel]; mixing also reads `label`. Where pictures vary in size,
        `extent` is the height and width of each, [batch, 2].
      key: of this step. Different steps need different keys.

    Returns:
      The batch and these entries:
      view: [batch, view, size, size, channel], from `make_views`.
      view_<size>: for each group of `recipe.extra_views`, [batch, extra view, size, size, channel].
      partner, share: only if the recipe mixes, the label of the image mixed in and the share of the original, [batch].
    """
    images, extents = batch["image"], batch.get("extent")
    batch = {**batch, "view": make_views(recipe, images, key, n_views, extents=extents)}
    first = n_views
    for group, size, low, high in _groups(recipe):
        small = dataclasses.replace(recipe, size=size, crop_scale=(low, high))
        batch[f"view_{size}"] = make_views(small, images, key, group, first, extents)
        first += group
    if recipe.mixes:
        mixed = mix(
            batch["view"],
            batch["label"],
            _key_of(key, "mix"),
            mixup=recipe.mixup,
            cutmix=recipe.cutmix,
            probability=recipe.mix_probability,
        )
        batch |= mixed._asdict()
    return batch


def make_views(
    recipe: Recipe,
    images: UInt8[Array, "batch height width channel"],
    key: Key[Array, ""],
    n_views: int,
    first: int = 0,
    extents: Extents = None,
) -> Float[Array, "batch view size size more"]:
    """`n_views` independent augmentations of every image of the global batch, numbered from `first`.

    With `extents`, crops are drawn inside the pictures; nothing else of the images is seen.

    View v of the image at position i draws from `fold_in(fold_in(key, i), v)`, so it depends on the position in the
    global batch but not on how the batch is spread over devices. The channels of `random_bits` follow the image's.
    """

    def one(image, position, view, extent):
        image_key = jax.random.fold_in(jax.random.fold_in(key, position), view)
        return augment_image(recipe, image, image_key, view, extent)

    n = len(images)
    # Repeated as bytes: otherwise XLA multiplies each image with the matrices of all its views, and then transposes.
    repeated = jnp.broadcast_to(images[:, None], (n, n_views, *images.shape[1:]))
    position, view = jnp.meshgrid(jnp.arange(n), first + jnp.arange(n_views), indexing="ij")
    if extents is not None:
        extents = jnp.broadcast_to(extents[:, None], (n, n_views, 2))
    views = jax.vmap(jax.vmap(one))(repeated, position, view, extents)
    if recipe.random_bits:
        bits = random_bits(images, recipe.random_bits)[:, None]
        views = append_bits(views, jnp.broadcast_to(bits, (n, n_views, recipe.random_bits)))
    return views


def augment_image(
    recipe: Recipe,
    image: UInt8[Array, "height width channel"],
    key: Key[Array, ""],
    view: int | Int[Array, ""] = 0,
    extent: Extent = None,
) -> Float[Array, "size size channel"]:
    """One random view of one image, normalised. Its number `view` selects the probabilities that differ by view.

    extent: height and width of the picture, in the top left corner of the image; None: it fills the image.

    Raises:
      InputError: the recipe changes colors, and the image has neither 1 nor 3 channels.
    """
    if image.shape[-1] not in (1, 3) and _changes_colors(recipe):
        raise InputError(
            f"images of {image.shape[-1]} channels have no colors; switch off the color operations, as the recipe "
            "crop_flip does."
        )
    r, key_of = recipe, partial(_key_of, key)
    x = image.astype(jnp.float32) / 255.0
    x = _crop_and_turn(r, x, key_of, extent)
    x = _change_colors(r, x, key_of)
    x = random_grayscale(x, key_of("grayscale"), probability=r.gray_probability)
    x = random_warp(x, key_of("warp"), probability=r.warp_probability, strength=r.warp_strength)
    if any(r.blur_probability):
        chance = _of_view(r.blur_probability, view)
        x = random_blur(x, key_of("blur"), probability=chance, sigma=r.blur_sigma, kernel=r.blur_kernel)
    if any(r.solarize_probability):
        x = random_solarize(x, key_of("solarize"), probability=_of_view(r.solarize_probability, view))
    x = normalise(x, r.mean, r.std)
    x = cutout(x, key_of("cutout"), side=r.cutout)
    return random_erasing(
        x,
        key_of("erase"),
        probability=r.erase_probability,
        scale=r.erase_scale,
        ratio=r.erase_ratio,
        noise=r.erase_noise,
    )


def _crop_and_turn(r: Recipe, x: Image, key_of: KeyOf, extent: Extent) -> Float[Array, "size size channel"]:
    x = resized_crop(
        x,
        key_of("resized_crop"),
        size=r.size or min(x.shape[:2]),
        scale=r.crop_scale,
        ratio=r.crop_ratio,
        interpolation=r.interpolation,
        antialias=r.antialias,
        extent=extent,
    )
    x = padding_crop(x, key_of("padding_crop"), pad=r.pad)
    x = random_flip(x, key_of("flip"), probability=r.flip)
    return random_rotation(x, key_of("rotation"), degrees=r.rotation)


def _change_colors(r: Recipe, x: Image, key_of: KeyOf) -> Image:
    x = color_jitter(
        x,
        key_of("color_jitter"),
        brightness=r.brightness,
        contrast=r.contrast,
        saturation=r.saturation,
        hue=r.hue,
        probability=r.jitter_probability,
    )
    return random_policy(
        x,
        key_of("policy"),
        policy=r.policy,
        layers=r.policy_layers,
        magnitude=r.policy_magnitude,
        fill=r.policy_fill,
    )


def plain(
    recipe: Recipe, images: UInt8[Array, "batch height width channel"], extents: Extents = None
) -> Float[Array, "batch size size more"]:
    """The images as evaluation sees them: the shorter side resized to `size / center_fraction`, the central
    `size` x `size` of that, normalised.
    """
    _, height, width, _ = images.shape
    size = recipe.size or min(height, width)
    x = images.astype(jnp.float32) / 255.0
    if extents is not None or not height == width == size or recipe.center_fraction < 1:

        def crop(image, extent):
            return evaluation_crop(
                image,
                size=size,
                fraction=recipe.center_fraction,
                interpolation=recipe.interpolation,
                antialias=recipe.antialias,
                extent=extent,
            )

        x = jax.vmap(crop)(x, extents)
    x = normalise(x, recipe.mean, recipe.std)
    return append_bits(x, random_bits(images, recipe.random_bits)) if recipe.random_bits else x


def normalise(
    x: Float[Array, "*shape channel"], mean: tuple[float, ...], std: tuple[float, ...]
) -> Float[Array, "*shape channel"]:
    """`(x - mean) / std` per channel."""
    channels = x.shape[-1]
    for name, values in (("mean", mean), ("std", std)):
        if len(values) not in (1, channels):
            raise InputError(
                f"augment.{name} has {len(values)} values for images of {channels} channel(s); "
                "give one value or one per channel."
            )
    shape = (1,) * (x.ndim - 1) + (-1,)
    return (x - jnp.asarray(mean).reshape(shape)) / jnp.asarray(std).reshape(shape)


def _key_of(key: Key[Array, ""], operation: str) -> Key[Array, ""]:
    return jax.random.fold_in(key, zlib.crc32(operation.encode()))


def _of_view(values: tuple[float, ...], view: int | Int[Array, ""]) -> float | Float[Array, ""]:
    """The value for this view; the last one applies to all further views."""
    if len(values) == 1:
        return values[0]
    return jnp.asarray(values)[jnp.minimum(view, len(values) - 1)]


def _groups(recipe: Recipe) -> list[tuple[int, int, float, float]]:
    """Per group of extra views: number of views, size, lowest and highest crop scale."""
    scales = recipe.extra_scales
    return list(zip(recipe.extra_views, recipe.extra_sizes, scales[::2], scales[1::2], strict=True))


def _changes_colors(recipe: Recipe) -> bool:
    jitter = recipe.jitter_probability and any(
        (recipe.brightness, recipe.contrast, recipe.saturation, recipe.hue)
    )
    return bool(jitter or recipe.gray_probability or recipe.policy != "none")
