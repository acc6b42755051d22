"""ResNet in torchvision's names: the backbone, and `fc` for a linear head or classifier on it."""

from contrastive_jax.errors import InputError
from contrastive_jax.torch_weights.names import selfcon_resnet
from contrastive_jax.torch_weights.names._rules import LEAVES, rename

RULES = [
    (r"^(?!encoder/|head_)", "encoder/"),  # the encoder alone
    (r"^head_final/(output/)?", "fc/"),
    *selfcon_resnet.RULES,
    (r"/shortcut/", "/downsample/"),
    (r"^encoder/", ""),
]


def names(paths: list[str]) -> dict[str, str]:
    strange = [path for path in paths if "sub_block" in path or "hidden" in path or "head_block" in path]
    if strange:
        raise InputError(
            f"torchvision has no names for sub-networks and MLP heads ({strange[0]}): use naming 'selfcon'."
        )
    return rename(paths, [*RULES, *LEAVES])
