"""VGG with BatchNorm, without fully connected layers (Simonyan, Zisserman 2015; SelfCon's networks/vgg_big.py).

Every block ends with a max-pool, so the last map of 32 x 32 images is 1 x 1. Sub-networks branch off after a max-pool.
"""

from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from contrastive_jax.errors import InputError
from contrastive_jax.models.batch_norm import BatchNorm
from contrastive_jax.models.fields import check_choice
from contrastive_jax.models.layers import Linear, kaiming_fan_out
from contrastive_jax.models.outputs import FINAL, Outputs, pool
from contrastive_jax.models.segments import check_segment, walk

Maps = Float[Array, "batch height width channel"]


class VGG(nn.Module):
    """Images `[batch, height, width, channel]` -> `Outputs` with 512 features at width 64."""

    depth: int = 16
    """13 or 16. As usual this counts the fully connected layers, which are left out here."""
    width: int = 64
    """Channels of the first block; the further blocks have 2, 4, 8 and 8 times as many."""
    stem: str = "cifar"
    """Always `cifar`: VGG has no stem, whatever the size of the images."""
    subnetworks: tuple[str, ...] = ()
    """Blocks after which a sub-network branches off, e.g. `("block1",)`."""
    subnetwork: str = "small"
    """`fc`: pooling and one linear layer. `pool`: pooling only. `small`: the remaining blocks with one convolution
    each. `same`: the remaining blocks with as many convolutions each as the last one has."""
    norm_group: int = 0
    """Rows that BatchNorm normalises together: 0 the global batch, -1 those of one device, g > 0 every g rows."""
    after: str = ""
    until: str = ""
    """The blocks to compute, for shared trunks (see `segments`)."""
    dtype: Any = jnp.float32

    def __post_init__(self):
        check_choice("network.depth", str(self.depth), map(str, LAYOUTS))
        check_choice("network.stem", self.stem, ["cifar"])
        check_choice("network.subnetwork", self.subnetwork, SUBNETWORKS)
        check_segment(BLOCKS, self.after, self.until, self.subnetworks)
        super().__post_init__()

    @nn.compact
    def __call__(self, images: Maps, train: bool) -> Outputs:
        layer = {"norm_group": self.norm_group, "dtype": self.dtype}
        counts = dict(zip(BLOCKS, LAYOUTS[self.depth], strict=True))
        blocks = {
            name: partial(Block(self.width * factor, counts[name], name=name, **layer), train=train)
            for name, factor in BLOCKS.items()
        }
        maps = walk(images.astype(self.dtype), lambda x: x, blocks, self.after, self.until)
        if self.until:
            return Outputs({self.until: maps[self.until]}, {})
        exits = {}
        for name in sorted(self.subnetworks):
            tail = SUBNETWORKS[self.subnetwork](self.width, name, counts, name=f"sub_{name}", **layer)
            exits[name] = tail(maps[name], train)
        exits[FINAL] = pool(maps["block5"])
        maps.pop(self.after, None)
        return Outputs(maps, exits)


class Block(nn.Module):
    """Convolutions with BatchNorm and ReLU, then a max-pool that halves the resolution."""

    channels: int
    convolutions: int
    norm_group: int
    dtype: Any

    @nn.compact
    def __call__(self, x, train):
        if min(x.shape[1:3]) < 2:
            raise InputError("VGG halves the resolution five times: give images of at least 32 x 32 pixels.")
        for i in range(1, self.convolutions + 1):
            conv = nn.Conv(
                self.channels,
                (3, 3),
                padding=1,
                kernel_init=kaiming_fan_out,
                dtype=self.dtype,
                name=f"conv{i}",
            )
            norm = BatchNorm(dtype=self.dtype, group=self.norm_group, name=f"norm{i}")
            x = nn.relu(norm(conv(x), train))
        return nn.max_pool(x, (2, 2), (2, 2))


class PoolOnly(nn.Module):
    """Sub-network `pool`: mean over space, without parameters."""

    width: int
    position: str
    """The block after which it branches off."""
    counts: Any
    """Number of convolutions in each of the backbone's blocks."""
    norm_group: int
    dtype: Any

    @nn.compact
    def __call__(self, x, train):
        return pool(x)


class FullyConnected(PoolOnly):
    """Sub-network `fc`: pooling, then a linear layer to the backbone's width."""

    @nn.compact
    def __call__(self, x, train):
        normal = {"kernel_init": nn.initializers.normal(0.01), "bias_init": nn.initializers.zeros}
        return Linear(self.width * BLOCKS["block5"], name="linear", **normal)(pool(x))


class SmallTail(PoolOnly):
    """Sub-network `small`: a copy of the remaining blocks with one convolution each."""

    @property
    def convolutions(self) -> int:
        return 1

    @nn.compact
    def __call__(self, x, train):
        names = list(BLOCKS)
        for name in names[names.index(self.position) + 1 :]:
            channels = self.width * BLOCKS[name]
            x = Block(channels, self.convolutions, self.norm_group, self.dtype, name=name)(x, train)
        return pool(x)


class SameTail(SmallTail):
    """Sub-network `same`: a copy of the remaining blocks with as many convolutions each as the backbone's last one."""

    @property
    def convolutions(self) -> int:
        return self.counts["block5"]


BLOCKS = {"block1": 1, "block2": 2, "block3": 4, "block4": 8, "block5": 8}
"""Channels of each block, as a multiple of the first block's."""
LAYOUTS = {13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3)}
"""By depth: the number of convolutions in each block."""
SUBNETWORKS = {"pool": PoolOnly, "fc": FullyConnected, "small": SmallTail, "same": SameTail}
NAMED = {f"vgg{depth}_bn": {"depth": depth} for depth in LAYOUTS}
