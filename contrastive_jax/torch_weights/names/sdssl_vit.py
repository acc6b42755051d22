"""ViT in SDSSL's code (vision_transformer.py). The names are timm's, after `net.` in a whole student."""

import numpy as np

from contrastive_jax.models.vit import ViT, sincos_positions, with_class_token
from contrastive_jax.torch_weights.names import sdssl_heads
from contrastive_jax.torch_weights.renaming import LEAVES, rename

RULES = [
    (r"^encoder/", "net/"),
    (r"(^|/)patch/", r"\1patch_embed/proj/"),
    (r"(^|/)layer(\d+)/(?=norm|attention|mlp)", lambda m: f"{m[1]}blocks/{int(m[2]) - 1}/"),
    (r"/attention/output/", "/attn/proj/"),
    (r"/attention/qkv/", "/attn/qkv/"),
    (r"/mlp/hidden/", "/mlp/fc1/"),
    (r"/mlp/output/", "/mlp/fc2/"),
    (r"^(net/|)(blocks/\d+/|)(norm\d?)/scale$", r"\1\2\3.weight"),
    (r"^(net/|)(blocks/\d+/|)(norm\d?)/bias$", r"\1\2\3.bias"),
]
"""The last two write dots, so that the rule for BatchNorm's wrapper skips LayerNorms called `norm`."""


def names(paths: list[str]) -> dict[str, str]:
    return rename(paths, [*sdssl_heads.rules(paths), *RULES, *LEAVES])


def computed(encoder: ViT, height: int, width: int) -> dict[str, np.ndarray]:
    """The position embeddings that SDSSL stores, the class token's first: [1, 1 + patches, width]."""
    if encoder.positions == "learned":
        return {}
    grid = height // encoder.patch, width // encoder.patch
    return {"pos_embed": with_class_token(sincos_positions(*grid, encoder.width))}
