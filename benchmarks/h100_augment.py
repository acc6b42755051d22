"""What augmenting 1,024 views of 32x32 pixels would cost on an H100: kernels, and bytes through its memory.

    JAX_PLATFORMS=cpu XLA_FLAGS=--xla_gpu_autotune_level=0 python benchmarks/h100_augment.py [recipe ...]

Compiled without the GPU (`h100_aot.py` says what to install for it). Goals for SimCLR's recipe: at most 40 kernels
and 0.5 MB per view. The least possible is 3 kB read and 12 kB written.
"""

import sys

import jax
import jax.numpy as jnp
from h100_aot import compile_for_h100

from contrastive_jax.augment import Recipe, make_views
from contrastive_jax.recipes import augmentations as recipes

IMAGES, VIEWS, SIDE = 512, 2, 32
NAMES = (
    *("simclr_cifar", "moco_v3", "byol", "simclr_imagenet", "mcl_cifar", "autoaugment_cifar"),
    *("randaugment_cifar", "supcon_imagenet", "supcon_imagenet_stacked", "sim_augment"),
)


def main(names: list[str]) -> None:
    print(f"jax {jax.__version__}: {IMAGES} images of {SIDE}x{SIDE}, {VIEWS} views each")
    print("| recipe | kernels | kB/view | temporary MiB |\n|---|---|---|---|")
    for name in names or NAMES:
        fields = getattr(recipes, name)() | {"size": SIDE}
        recipe = Recipe(**fields, mean=(0.5,), std=(0.25,))
        images = jax.ShapeDtypeStruct((IMAGES, SIDE, SIDE, 3), jnp.uint8)
        seed = jax.ShapeDtypeStruct((), jnp.uint32)
        cost = compile_for_h100(lambda x, s: make_views(recipe, x, jax.random.key(s), VIEWS), images, seed)  # noqa: B023
        per_view = cost.hbm_bytes / (IMAGES * VIEWS) / 1e3
        print(f"| {name} | {cost.kernels} | {per_view:.0f} | {cost.temp_bytes / 2**20:.0f} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
