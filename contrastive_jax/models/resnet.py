"""ResNets with optional sub-networks (He et al. 2016; SelfCon App. B and C).

The sub-network `block2` branches off the backbone after block 2. It ends in a pooled representation as wide as the
backbone's, as in SelfCon's released code.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from contrastive_jax.models.fields import check_choice
from contrastive_jax.models.outputs import Outputs
from contrastive_jax.models.residual import STEMS, SUBNETWORKS, BasicBlock, BottleneckBlock, residual_outputs
from contrastive_jax.models.segments import block_names, check_segment

Maps = Float[Array, "batch height width channel"]


class ResNet(nn.Module):
    """Images `[batch, height, width, channel]` -> `Outputs`, with 512 (basic) or 2048 features at width 64."""

    depth: int = 18
    """8, 10, 18 or 34 with basic blocks; 50, 101, 152 or 200 with bottlenecks."""
    stem: str = "cifar"
    """`cifar`: 3x3, no pooling. `imagenet`: 7x7 with stride 2, then a max-pool. `patch2`: 2x2 patches."""
    width: int = 64
    """Channels of the first block; every further block has twice as many. The published networks have 64."""
    subnetworks: tuple[str, ...] = ()
    """Blocks after which a sub-network branches off, e.g. `("block2",)`."""
    subnetwork: str = "small"
    """`fc`: pooling and one linear layer. `pool`: pooling only, as wide as its block. `small`, `same`, `large`: the
    remaining blocks at half, full and double depth."""
    residual_scale: float = 1.0
    """Initial scale of the BatchNorm that ends each residual branch: 0 in SimCLR's TensorFlow code and MoCo v3."""
    norm_group: int = 0
    """Rows that BatchNorm normalises together: 0 the global batch, -1 those of one device, g > 0 every g rows."""
    after: str = ""
    """`block1`: the input is the map of block 1, and the network computes the rest."""
    until: str = ""
    """`block1`: the network ends after block 1, without exits. See `segments`."""
    dtype: Any = jnp.float32

    def __post_init__(self):
        check_choice("network.depth", str(self.depth), map(str, LAYOUTS))
        check_choice("network.stem", self.stem, STEMS)
        check_choice("network.subnetwork", self.subnetwork, SUBNETWORKS)
        blocks = block_names(len(LAYOUTS[self.depth][1]))
        check_segment(blocks, self.after, self.until, self.subnetworks)
        super().__post_init__()

    @nn.compact
    def __call__(self, images: Maps, train: bool) -> Outputs:
        block, depths = LAYOUTS[self.depth]
        return residual_outputs(
            self, block, depths, images, train, stem=self.stem, residual_scale=self.residual_scale
        )


LAYOUTS = {
    8: (BasicBlock, (1, 1, 1)),
    10: (BasicBlock, (1, 1, 1, 1)),
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (BottleneckBlock, (3, 4, 6, 3)),
    101: (BottleneckBlock, (3, 4, 23, 3)),
    152: (BottleneckBlock, (3, 8, 36, 3)),
    200: (BottleneckBlock, (3, 24, 36, 3)),
}
"""By depth: the kind of residual unit, and the number of units in each block."""
NAMED = {f"resnet{depth}": {"depth": depth} for depth in LAYOUTS}
