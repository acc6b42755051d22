"""ViT in timm's names, which MoCo v3 and DINO use too: SDSSL's without the wrapper, `head` a linear classifier."""

from contrastive_jax.errors import InputError
from contrastive_jax.torch_weights.names import sdssl_vit
from contrastive_jax.torch_weights.names._rules import LEAVES, rename

computed = sdssl_vit.computed


def names(paths: list[str]) -> dict[str, str]:
    strange = [path for path in paths if path.startswith(("projector/", "predictor/")) or "/hidden1/" in path]
    if strange:
        raise InputError(f"timm has no names for MLP heads ({strange[0]}): use naming 'sdssl'.")
    rules = [(r"^encoder/", ""), (r"^head_final/(output/)?", "head/"), *sdssl_vit.RULES]
    return rename(paths, [*rules, *LEAVES])
