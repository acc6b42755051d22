"""Augmentation on the device: pure functions of images and a key, compiled into the training step.

    images = jax.numpy.zeros((8, 40, 40, 3), "uint8")
    recipe = Recipe(size=32, mean=(0.5,), std=(0.25,))
    views = make_views(recipe, images, jax.random.key(0), n_views=2)  # float32 [8, 2, 32, 32, 3]

`Recipe` says what happens to an image; the recipes of papers are in `contrastive_jax.recipes.augmentations`.
`add_views` makes the views of a training batch, `augment_image` one view of one image, `plain` what evaluation sees.
The operations are in one file per kind: `geometry`, `color`, `blur`, `warp`, `erase`, `mix`, `bits`, and `policies`
(AutoAugment, RandAugment) over the PIL operations of `pil`.
"""

from contrastive_jax.augment.recipe import Recipe, canvas_side, geometry_only, on_canvas, view_shape
from contrastive_jax.augment.views import add_views, augment_image, make_views, normalise, plain

__all__ = [
    "Recipe",
    "add_views",
    "augment_image",
    "canvas_side",
    "geometry_only",
    "make_views",
    "normalise",
    "on_canvas",
    "plain",
    "view_shape",
]
