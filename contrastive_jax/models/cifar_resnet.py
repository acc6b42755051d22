"""ResNet for 32-px images with three blocks (He et al. 2016, section 4.2): 6n + 2 layers, or 9n + 2 of bottlenecks.

MCL's networks: ResNet-32 and -56 of basic blocks; its "ResNet-110" is one of 12 bottlenecks per block, with 256
features, not the 18 basic blocks of He et al.
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
    """Images `[batch, height, width, channel]` -> `Outputs`; 64 (basic) or 256 features at width 16."""

    depth: int = 32
    """8, 14, 20, ... of basic blocks; 11, 20, 29, ... of bottlenecks."""
    block: str = "basic"
    """`basic` or `bottleneck`."""
    width: int = 16
    """Channels of the first block; it doubles with every block. 16 is the published network."""
    subnetworks: tuple[str, ...] = ()
    """Blocks after which a sub-network leaves, e.g. `("block2",)`."""
    subnetwork: str = "small"
    """`fc`: pool and one linear layer. `pool`: pool only, as wide as its block. `small`, `same`, `large`: the
    remaining blocks at half, full and double depth."""
    norm_group: int = 0
    """Rows that BatchNorm sees together: 0 the global batch, -1 those of one device, g > 0 every g."""
    after: str = ""
    until: str = ""
    """The segment to compute, for shared trunks (see `segments`)."""
    dtype: Any = jnp.float32

    def __post_init__(self):
        check_choice("block", self.block, UNITS)
        check_choice("subnetwork", self.subnetwork, SUBNETWORKS)
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
"""Residual blocks and their layers."""
NAMED = {f"cifar_resnet{depth}": {"depth": depth} for depth in (20, 32, 44, 56)} | {
    "cifar_resnet110": {"depth": 110, "block": "bottleneck"},
    "cifar_resnet110_basic": {"depth": 110},
}
