"""ViT in timm, whose names MoCo v3 and DINO use: SDSSL's without the wrapper, and `head` for a linear classifier."""

from contrastive_jax.errors import InputError
from contrastive_jax.torch_weights.names import sdssl_vit
from contrastive_jax.torch_weights.renaming import LEAVES, rename

computed = sdssl_vit.computed


def names(paths: list[str]) -> dict[str, str]:
    unnamed = [path for path in paths if path.startswith(("projector/", "predictor/")) or "/hidden1/" in path]
    if unnamed:
        raise InputError(f"timm has no names for MLP heads ({unnamed[0]}): use the naming 'sdssl'.")
    rules = [(r"^encoder/", ""), (r"^head_final/(output/)?", "head/"), *sdssl_vit.RULES]
    return rename(paths, [*rules, *LEAVES])
