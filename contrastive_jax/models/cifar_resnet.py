"""ResNets with three blocks for 32-pixel images (He et al. 2016, Sec. 4.2): 6n + 2 layers, or 9n + 2 with bottlenecks.

MCL trains ResNet-32 and ResNet-56 with basic blocks. Its "ResNet-110" has 12 bottlenecks per block and 256 features,
where He et al. have 18 basic blocks.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from contrastive_jax.errors import InputError
from contrastive_jax.models.fields import check_choice
from contrastive_jax.models.outputs import Outputs
from contrastive_jax.models.residual import SUBNETWORKS, BasicBlock, BottleneckBlock, residual_outputs
from contrastive_jax.models.segments import block_names, check_segment

Maps = Float[Array, "batch height width channel"]
BLOCKS = block_names(3)


class CifarResNet(nn.Module):
    """Images `[batch, height, width, channel]` -> `Outputs`, with 64 (basic) or 256 features at width 16."""

    depth: int = 32
    """8, 14, 20, ... with basic blocks; 11, 20, 29, ... with bottlenecks."""
    block: str = "basic"
    """`basic` or `bottleneck`."""
    width: int = 16
    """Channels of the first block; every further block has twice as many. The published networks have 16."""
    subnetworks: tuple[str, ...] = ()
    """Blocks after which a sub-network branches off, e.g. `("block2",)`."""
    subnetwork: str = "small"
    """`fc`: pooling and one linear layer. `pool`: pooling only, as wide as its block. `small`, `same`, `large`: the
    remaining blocks at half, full and double depth."""
    norm_group: int = 0
    """Rows that BatchNorm normalises together: 0 the global batch, -1 those of one device, g > 0 every g rows."""
    after: str = ""
    until: str = ""
    """The blocks to compute, for shared trunks (see `segments`)."""
    dtype: Any = jnp.float32

    def __post_init__(self):
        check_choice("network.block", self.block, UNITS)
        check_choice("network.subnetwork", self.subnetwork, SUBNETWORKS)
        per_unit = len(BLOCKS) * UNITS[self.block][1]
        if self.depth < per_unit + 2 or (self.depth - 2) % per_unit:
            raise InputError(
                f"network.depth is {self.depth}: give {per_unit}n + 2 for {self.block} blocks, "
                f"e.g. {per_unit * max(1, round((self.depth - 2) / per_unit)) + 2}."
            )
        check_segment(BLOCKS, self.after, self.until, self.subnetworks)
        super().__post_init__()

    @nn.compact
    def __call__(self, images: Maps, train: bool) -> Outputs:
        block, layers = UNITS[self.block]
        depths = ((self.depth - 2) // (len(BLOCKS) * layers),) * len(BLOCKS)
        return residual_outputs(self, block, depths, images, train)


UNITS = {"basic": (BasicBlock, 2), "bottleneck": (BottleneckBlock, 3)}
"""Residual blocks, and the number of layers in each."""
NAMED = {f"cifar_resnet{depth}": {"depth": depth} for depth in (20, 32, 44, 56)} | {
    "cifar_resnet110": {"depth": 110, "block": "bottleneck"},
    "cifar_resnet110_basic": {"depth": 110},
}
