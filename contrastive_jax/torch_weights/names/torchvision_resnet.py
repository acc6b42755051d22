"""ResNets in torchvision: the backbone, and `fc` for a linear head or classifier."""

from contrastive_jax.errors import InputError
from contrastive_jax.torch_weights.names import selfcon_resnet
from contrastive_jax.torch_weights.renaming import LEAVES, rename

RULES = [
    (r"^(?!encoder/|head_)", "encoder/"),  # the encoder alone
    (r"^head_final/(output/)?", "fc/"),
    *selfcon_resnet.RULES,
    (r"/shortcut/", "/downsample/"),
    (r"^encoder/", ""),
]


def names(paths: list[str]) -> dict[str, str]:
    unnamed = [path for path in paths if "sub_block" in path or "hidden" in path or "head_block" in path]
    if unnamed:
        raise InputError(
            f"torchvision has no names for sub-networks and MLP heads ({unnamed[0]}): use the naming 'selfcon'."
        )
    return rename(paths, [*RULES, *LEAVES])
