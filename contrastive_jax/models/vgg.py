"""VGG with BatchNorm, without its fully connected layers (Simonyan, Zisserman 2015; SelfCon's networks/vgg_big.py).

A block ends at its max-pool, so 32 x 32 pixels leave as 1 x 1. A sub-network leaves after such a max-pool.
"""

from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from contrastive_jax.errors import InputError
from contrastive_jax.models.fields import check_choice
from contrastive_jax.models.layers import BatchNorm, Linear, kaiming_fan_out
from contrastive_jax.models.outputs import FINAL, Outputs, pool
from contrastive_jax.models.segments import check_segment, walk

Maps = Float[Array, "batch height width channel"]


class VGG(nn.Module):
    """Images `[batch, height, width, channel]` -> `Outputs` with 512 features at width 64."""

    depth: int = 16
    """13 or 16, the fully connected layers counted that are left out."""
    width: int = 64
    """Channels of the first block; the others have 2, 4, 8 and 8 times as many."""
    stem: str = "cifar"
    """`cifar`, the only one: there is no stem, whatever the size of the images."""
    subnetworks: tuple[str, ...] = ()
    """Blocks after which a sub-network leaves, e.g. `("block1",)`."""
    subnetwork: str = "small"
    """`fc`: pool and one linear layer. `pool`: pool only. `small`: the remaining blocks with one convolution
    each. `same`: with as many as the last block has."""
    norm_group: int = 0
    """Rows normalised together: 0 the global batch, -1 those of one device, g > 0 every g."""
    after: str = ""
    until: str = ""
    """The segment to compute, for shared trunks (see `segments`)."""
    dtype: Any = jnp.float32

    def __post_init__(self):
        check_choice("depth", str(self.depth), map(str, LAYOUTS))
        check_choice("stem", self.stem, ["cifar"])
        check_choice("subnetwork", self.subnetwork, SUBNETWORKS)
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
            raise InputError("VGG halves its images five times: give images of 32 or more pixels a side.")
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
    """Sub-network `pool`: no parameters."""

    width: int
    position: str
    """The block after which it leaves."""
    counts: Any
    """Convolutions of the backbone's blocks."""
    norm_group: int
    dtype: Any

    @nn.compact
    def __call__(self, x, train):
        return pool(x)


class FullyConnected(PoolOnly):
    """Sub-network `fc`: pool, then one linear layer to the backbone's width."""

    @nn.compact
    def __call__(self, x, train):
        normal = {"kernel_init": nn.initializers.normal(0.01), "bias_init": nn.initializers.zeros}
        return Linear(self.width * BLOCKS["block5"], name="linear", **normal)(pool(x))


class SmallTail(PoolOnly):
    """Sub-network `small`: the remaining blocks again, with one convolution each."""

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
    """Sub-network `same`: with as many convolutions each as the backbone's last block."""

    @property
    def convolutions(self) -> int:
        return self.counts["block5"]


BLOCKS = {"block1": 1, "block2": 2, "block3": 4, "block4": 8, "block5": 8}
"""Channels of every block, in widths of the first."""
LAYOUTS = {13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3)}
"""Convolutions of every block."""
SUBNETWORKS = {"pool": PoolOnly, "fc": FullyConnected, "small": SmallTail, "same": SameTail}
NAMED = {f"vgg{depth}_bn": {"depth": depth} for depth in LAYOUTS}
