"""MixUp and CutMix of a batch of views, on the device, for classification.

Each image is mixed with the previous one in the batch. As in the authors' code, the whole batch has one share and,
for CutMix, one rectangle. The loss is `share * loss(label) + (1 - share) * loss(partner)`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from contrastive_jax.augment.erase import rectangle


class Mixed(NamedTuple):
    """Mixed views, the labels mixed in, and the share of each image's original label."""

    view: Float[Array, "batch view height width channel"]
    partner: Int[Array, " batch"]
    share: Float[Array, " batch"]


def mix(
    views: Float[Array, "batch view height width channel"],
    labels: Int[Array, " batch"],
    key: Key[Array, ""],
    *,
    mixup: float,
    cutmix: float,
    probability: float,
) -> Mixed:
    """Mixes with MixUp (Zhang et al. 2018) or CutMix (Yun et al. 2019); if both are on, a fair coin decides.

    Args:
      mixup, cutmix: alpha of the Beta(alpha, alpha) from which the share is drawn; 0 is off. At least one is on.
      probability: chance that the batch is mixed at all.
    """
    which_key, share_key, box_key, coin_key = jax.random.split(key, 4)
    height, width = views.shape[2:4]
    masks = []
    for alpha, mask_of in ((mixup, constant_mask), (cutmix, rectangle_mask)):
        if alpha > 0:
            share = beta(share_key, alpha)
            masks.append(mask_of(box_key, share, height, width))
    mask = masks[0]
    if len(masks) == 2:
        mask = jnp.where(jax.random.bernoulli(which_key), masks[0], masks[1])
    if probability < 1:
        mask = jnp.where(jax.random.bernoulli(coin_key, probability), mask, 1.0)
    own = mask[None, None, :, :, None]
    share = jnp.full(len(views), jnp.mean(mask))
    return Mixed(own * views + (1 - own) * jnp.roll(views, 1, axis=0), jnp.roll(labels, 1), share)


def constant_mask(
    key: Key[Array, ""], share: Float[Array, ""], height: int, width: int
) -> Float[Array, "height width"]:
    """MixUp: the share of the original image, the same at every pixel. The key is not used."""
    return jnp.full((height, width), share)


def rectangle_mask(
    key: Key[Array, ""], share: Float[Array, ""], height: int, width: int
) -> Float[Array, "height width"]:
    """CutMix: 0 in a rectangle around a uniform pixel, clipped at the border, that covers about `1 - share`."""
    centre = jnp.floor(jax.random.uniform(key, (2,)) * jnp.array([height, width]))
    cut = jnp.sqrt(1.0 - share)
    half = jnp.floor(cut * jnp.array([height, width]) / 2)  # whole pixels, as in the authors' code
    hole = rectangle(height, width, centre[0] - half[0], centre[1] - half[1], 2 * half[0], 2 * half[1])
    return 1.0 - hole.astype(jnp.float32)


def beta(key: Key[Array, ""], alpha: float) -> Float[Array, ""]:
    """Draws from Beta(alpha, alpha); alpha 1 is the uniform distribution and needs no rejection loop."""
    return jax.random.uniform(key) if alpha == 1 else jax.random.beta(key, alpha, alpha)
