"""Wide ResNets in SelfCon's code (networks/wrn_big.py), with heads and sub-networks."""

from contrastive_jax.torch_weights.names import selfcon_resnet
from contrastive_jax.torch_weights.renaming import LEAVES, rename
from contrastive_jax.torch_weights.selfcon_heads import head_rules

RULES = [
    (r"^encoder/norm/", "encoder/bn1/"),
    (r"/shortcut/", "/shortcut/0/"),
    *selfcon_resnet.RULES,
]


def names(paths: list[str]) -> dict[str, str]:
    return rename(paths, [*head_rules(paths), *RULES, *LEAVES])
