"""VGG with BatchNorm in SelfCon's code (networks/vgg_big.py), with heads and sub-networks.

A block is a flat `Sequential` with three layers per convolution: convolution, BatchNorm, ReLU. A sub-network is a
single `Sequential` for all its blocks, with a max-pool after each block.
"""

import re

from contrastive_jax.torch_weights.renaming import LEAVES, minus_one, rename
from contrastive_jax.torch_weights.selfcon_heads import head_rules


def names(paths: list[str]) -> dict[str, str]:
    convolutions = [int(n) for path in paths for n in re.findall(r"/sub_.*/conv(\d+)/", path)]
    per_block = 3 * max(convolutions, default=0) + 1

    def of_subnetwork(match: re.Match) -> str:
        position, block, layer, number = int(match[1]), int(match[2]), match[3], int(match[4])
        index = (block - position - 1) * per_block + in_block(layer, number)
        return f"encoder/selfcon_layer/{position - 1}/{index}/"

    rules = [
        (r"^encoder/sub_block(\d+)/linear/", minus_one("encoder/selfcon_layer/", "/0/")),
        (r"^encoder/sub_block(\d+)/block(\d+)/(conv|norm)(\d+)/", of_subnetwork),
        (r"^encoder/(block\d+)/(conv|norm)(\d+)/", lambda m: f"encoder/{m[1]}/{in_block(m[2], int(m[3]))}/"),
    ]
    return rename(paths, [*head_rules(paths), *rules, *LEAVES])


def in_block(layer: str, number: int) -> int:
    """Index of a layer in the `Sequential` of its block."""
    return 3 * (number - 1) + (layer == "norm")
