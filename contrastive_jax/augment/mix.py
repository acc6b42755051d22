"""MixUp and CutMix of a whole batch of views, on the device, for classification.

Every image is mixed with the one before it in the batch; the same share and, for CutMix, the same rectangle hold
for the whole batch, as in the authors' codes. What comes back are the mixed views, the partners' labels and the
share of the image's own label: the loss is `share * loss(label) + (1 - share) * loss(partner)`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from contrastive_jax.augment.erase import rectangle


class Mixed(NamedTuple):
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
    """Mixes with MixUp (Zhang et al. 2018) or CutMix (Yun et al. 2019); with either at even odds if both are on."""
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
    """MixUp: the image's own share, the same at every pixel. Draws nothing."""
    return jnp.full((height, width), share)


def rectangle_mask(
    key: Key[Array, ""], share: Float[Array, ""], height: int, width: int
) -> Float[Array, "height width"]:
    """CutMix: 0 in a rectangle of about `1 - share` of the area around a uniform pixel, cut off at the border."""
    centre = jnp.floor(jax.random.uniform(key, (2,)) * jnp.array([height, width]))
    cut = jnp.sqrt(1.0 - share)
    half = jnp.floor(cut * jnp.array([height, width]) / 2)  # whole pixels, as the authors'
    hole = rectangle(height, width, centre[0] - half[0], centre[1] - half[1], 2 * half[0], 2 * half[1])
    return 1.0 - hole.astype(jnp.float32)


def beta(key: Key[Array, ""], alpha: float) -> Float[Array, ""]:
    """Beta(alpha, alpha); alpha 1 is the uniform distribution and needs no rejection loop."""
    return jax.random.uniform(key) if alpha == 1 else jax.random.beta(key, alpha, alpha)
