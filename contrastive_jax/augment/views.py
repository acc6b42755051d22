"""Augmentation inside the jitted step: uint8 images in, normalised float32 views out.

Every operation is a pure function of one image and one key. A strength or probability of zero leaves its
operation out of the compiled program. To add an operation: write the function in the `augment_*` file where it
belongs, give `Recipe` the fields it needs (defaults that switch it off), and call it at its place in `augment`.
Its key comes from its name, so the draws of the other operations stay what they were.
"""

import dataclasses
import zlib
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, Shaped, UInt8

from contrastive_jax.augment.bits import append_bits, random_bits
from contrastive_jax.augment.blur import random_blur, random_solarize
from contrastive_jax.augment.color import color_jitter, random_grayscale
from contrastive_jax.augment.erase import cutout, random_erasing
from contrastive_jax.augment.geometry import (
    centred_box,
    padding_crop,
    random_flip,
    resize_box,
    resized_crop,
)
from contrastive_jax.augment.mix import mix
from contrastive_jax.augment.policies import random_policy
from contrastive_jax.augment.recipe import Recipe, geometry_only, view_shape
from contrastive_jax.augment.warp import random_rotation, random_warp
from contrastive_jax.errors import InputError

Image = Float[Array, "height width channel"]
KeyOf = Callable[[str], Key[Array, ""]]

__all__ = ["Recipe", "add_views", "augment", "geometry_only", "make_views", "plain", "view_shape"]


def add_views(recipe: Recipe, batch: dict[str, Array], key: Key[Array, ""], n_views: int) -> dict[str, Array]:
    """The batch of the train step with its views, made from its `image` (and, for mixing, its `label`).

    view: as `make_views` makes them.
    view_<size>: for each group of `recipe.extra_views`, [batch, extra view, size, size, channel].
    partner, share: only if the recipe mixes: the other image's label and the share of the own one, [batch] each.
    """
    batch = {**batch, "view": make_views(recipe, batch["image"], key, n_views)}
    first = n_views
    for group, size, low, high in _groups(recipe):
        small = dataclasses.replace(recipe, size=size, crop_scale=(low, high))
        batch[f"view_{size}"] = make_views(small, batch["image"], key, group, first)
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
) -> Float[Array, "batch view size size more"]:
    """`n_views` independent augmentations of every image of the global batch, the views `first`, `first + 1`, ...

    View v of the image at position i draws from `fold_in(fold_in(key, i), v)`: the result depends on the
    position in the global batch and not on how the batch is spread over devices. With `random_bits` their channels
    follow the image's.
    """

    def one(image, position, view):
        own = jax.random.fold_in(jax.random.fold_in(key, position), view)
        return augment(recipe, image, own, view)

    n = len(images)
    # Repeated as bytes: a product of one image with the matrices of all its views would be sorted by view after.
    repeated = jnp.broadcast_to(images[:, None], (n, n_views, *images.shape[1:]))
    position, view = jnp.meshgrid(jnp.arange(n), first + jnp.arange(n_views), indexing="ij")
    views = jax.vmap(jax.vmap(one))(repeated, position, view)
    if recipe.random_bits:
        bits = random_bits(images, recipe.random_bits)[:, None]
        views = append_bits(views, jnp.broadcast_to(bits, (n, n_views, recipe.random_bits)))
    return views


def augment(
    recipe: Recipe,
    image: UInt8[Array, "height width channel"],
    key: Key[Array, ""],
    view: int | Int[Array, ""] = 0,
) -> Float[Array, "size size channel"]:
    """One random view of one image, normalised; `view` is its number, for what differs between views."""
    if image.shape[-1] not in (1, 3) and _changes_colors(recipe):
        raise InputError(
            f"images of {image.shape[-1]} channels have no colors: switch off what changes colors, as "
            "`recipes.crop_flip` does."
        )
    r, key_of = recipe, partial(_key_of, key)
    x = image.astype(jnp.float32) / 255.0
    x = _crop_and_turn(r, x, key_of)
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


def _crop_and_turn(r: Recipe, x: Image, key_of: KeyOf) -> Float[Array, "size size channel"]:
    x = resized_crop(
        x,
        key_of("resized_crop"),
        size=_size(r, x),
        scale=r.crop_scale,
        ratio=r.crop_ratio,
        interpolation=r.interpolation,
        antialias=r.antialias,
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
    recipe: Recipe, images: UInt8[Array, "batch height width channel"]
) -> Float[Array, "batch size size more"]:
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
                f"augment.{name} has {len(values)} values for images of {channels} channel(s): "
                "give one value or one per channel."
            )
    shape = (1,) * (x.ndim - 1) + (-1,)
    return (x - jnp.asarray(mean).reshape(shape)) / jnp.asarray(std).reshape(shape)


def _key_of(key: Key[Array, ""], operation: str) -> Key[Array, ""]:
    return jax.random.fold_in(key, zlib.crc32(operation.encode()))


def _of_view(values: tuple[float, ...], view: int | Int[Array, ""]) -> float | Float[Array, ""]:
    """The value for this view; the last one holds for all further views."""
    if len(values) == 1:
        return values[0]
    return jnp.asarray(values)[jnp.minimum(view, len(values) - 1)]


def _groups(recipe: Recipe) -> list[tuple[int, int, float, float]]:
    """Number, size and range of the crop's area of the extra views' groups."""
    scales = recipe.extra_scales
    return list(zip(recipe.extra_views, recipe.extra_sizes, scales[::2], scales[1::2], strict=True))


def _changes_colors(recipe: Recipe) -> bool:
    jitter = recipe.jitter_probability and any(
        (recipe.brightness, recipe.contrast, recipe.saturation, recipe.hue)
    )
    return bool(jitter or recipe.gray_probability or recipe.policy != "none")


def _size(recipe: Recipe, image: Shaped[Array, "height width channel"]) -> int:
    return recipe.size or min(image.shape[:2])
