"""ResNets in SelfCon's and SupContrast's code (networks/resnet_big.py), with heads and sub-networks."""

from contrastive_jax.torch_weights.renaming import LEAVES, minus_one, rename
from contrastive_jax.torch_weights.selfcon_heads import head_rules

RULES = [
    (r"^encoder/stem/conv/", "encoder/conv1/"),
    (r"^encoder/stem/norm/", "encoder/bn1/"),
    (r"^encoder/sub_block(\d+)/linear/", minus_one("encoder/selfcon_layer/", "/")),
    (
        r"^encoder/sub_block(\d+)/block(\d+)/",
        lambda m: f"encoder/selfcon_layer/{int(m[1]) - 1}/{int(m[2]) - int(m[1]) - 1}/",
    ),
    (r"^encoder/block(\d+)/", r"encoder/layer\1/"),
    (r"/unit(\d+)/", minus_one("/", "/")),
    (r"/shortcut_conv/", "/shortcut/0/"),
    (r"/shortcut_norm/", "/shortcut/1/"),
    (r"/norm(\d)/", r"/bn\1/"),
]


def names(paths: list[str]) -> dict[str, str]:
    return rename(paths, [*head_rules(paths), *RULES, *LEAVES])
