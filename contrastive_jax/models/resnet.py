"""ResNet with sub-networks at any of its blocks (He et al. 2016; SelfCon App. B and C).

A sub-network named `block2` leaves the backbone after block 2 and ends in a pooled representation of the
backbone's own width, as in SelfCon's released code.
"""

from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from contrastive_jax.errors import InputError, nearest
from contrastive_jax.models.layers import BatchNorm, Linear, kaiming_fan_out
from contrastive_jax.models.outputs import FINAL, Outputs

Maps = Float[Array, "batch height width channel"]


class ResNet(nn.Module):
    """Images `[batch, height, width, channel]` -> `Outputs`; 512 (basic) or 2048 features at width 64."""

    depth: int = 18
    """8, 10, 18, 34 (basic blocks), 50, 101, 152 or 200 (bottlenecks)."""
    stem: str = "cifar"
    """`cifar`: 3x3, no pooling. `imagenet`: 7x7 stride 2 and a max-pool. `patch2`: 2x2 patches."""
    width: int = 64
    """Channels of the first block; it doubles with every block. 64 is the published network."""
    subnetworks: tuple[str, ...] = ()
    """Blocks after which a sub-network leaves, e.g. `("block2",)`."""
    subnetwork: str = "small"
    """`fc`: pool and one linear layer. `small`: the remaining blocks at half depth. `same`: at full depth."""
    dtype: Any = jnp.float32

    def __post_init__(self):
        check_choice("depth", str(self.depth), map(str, LAYOUTS))
        check_choice("stem", self.stem, STEMS)
        check_choice("subnetwork", self.subnetwork, SUBNETWORKS)
        inner = [f"block{i}" for i in range(1, len(LAYOUTS[self.depth][1]))]
        for name in self.subnetworks:
            check_choice("subnetworks", name, inner)
        super().__post_init__()

    @nn.compact
    def __call__(self, images: Maps, train: bool) -> Outputs:
        block, depths = LAYOUTS[self.depth]
        x = STEMS[self.stem](self.width, self.dtype, name="stem")(images.astype(self.dtype), train)
        blocks, exits = {}, {}
        for i, count in enumerate(depths):
            x = Stage(block, count, self.width * 2**i, stride(i), self.dtype, name=f"block{i + 1}")(x, train)
            blocks[f"block{i + 1}"] = x
        for name in sorted(self.subnetworks):
            tail = partial(SUBNETWORKS[self.subnetwork], block, depths, self.width, int(name[5:]), self.dtype)
            exits[name] = tail(name=f"sub_{name}")(blocks[name], train)
        exits[FINAL] = pool(x)
        return Outputs(blocks, exits)


def check_choice(field: str, value: str, valid) -> None:
    valid = list(valid)
    if value not in valid:
        raise InputError(f"network.{field} is '{value}': {nearest(value, valid)}")


def stride(stage: int) -> int:
    """The first block keeps the resolution, every later one halves it."""
    return 1 if stage == 0 else 2


def pool(x: Maps) -> Float[Array, "batch channel"]:
    """Mean over space, in float32 whatever the compute type."""
    return jnp.mean(x.astype(jnp.float32), axis=(1, 2))


conv = partial(nn.Conv, use_bias=False, kernel_init=kaiming_fan_out)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    channels: int
    stride: int
    dtype: Any
    expansion = 1

    @nn.compact
    def __call__(self, x, train):
        norm = partial(BatchNorm, self.dtype)
        y = conv(self.channels, (3, 3), self.stride, padding=1, dtype=self.dtype, name="conv1")(x)
        y = nn.relu(norm(name="norm1")(y, train))
        y = conv(self.channels, (3, 3), padding=1, dtype=self.dtype, name="conv2")(y)
        y = norm(name="norm2")(y, train)
        return nn.relu(y + shortcut(x, y, self.stride, norm, train))


class BottleneckBlock(nn.Module):
    """1x1, 3x3 (strided) and 1x1 convolutions and a shortcut."""

    channels: int
    stride: int
    dtype: Any
    expansion = 4

    @nn.compact
    def __call__(self, x, train):
        norm = partial(BatchNorm, self.dtype)
        y = conv(self.channels, (1, 1), dtype=self.dtype, name="conv1")(x)
        y = nn.relu(norm(name="norm1")(y, train))
        y = conv(self.channels, (3, 3), self.stride, padding=1, dtype=self.dtype, name="conv2")(y)
        y = nn.relu(norm(name="norm2")(y, train))
        y = conv(self.channels * self.expansion, (1, 1), dtype=self.dtype, name="conv3")(y)
        y = norm(name="norm3")(y, train)
        return nn.relu(y + shortcut(x, y, self.stride, norm, train))


def shortcut(x, y, stride, norm, train):
    """The identity where shapes agree, else a strided 1x1 convolution with its own BatchNorm."""
    if x.shape == y.shape:
        return x
    x = conv(y.shape[-1], (1, 1), stride, dtype=y.dtype, name="shortcut_conv")(x)
    return norm(name="shortcut_norm")(x, train)


class Stage(nn.Module):
    """`count` residual blocks, the first of them strided."""

    block: type[BasicBlock] | type[BottleneckBlock]
    count: int
    channels: int
    stride: int
    dtype: Any

    @nn.compact
    def __call__(self, x, train):
        for i in range(self.count):
            strides = self.stride if i == 0 else 1
            x = self.block(self.channels, strides, self.dtype, name=f"unit{i + 1}")(x, train)
        return x


class Stem(nn.Module):
    """One convolution, BatchNorm, ReLU and perhaps a max-pool, before the first block."""

    kernel: int
    stride: int
    max_pool: bool
    channels: int
    dtype: Any

    @nn.compact
    def __call__(self, x, train):
        padding = (self.kernel - 1) // 2
        size = (self.kernel, self.kernel)
        x = conv(self.channels, size, self.stride, padding=padding, dtype=self.dtype, name="conv")(x)
        x = nn.relu(BatchNorm(self.dtype, name="norm")(x, train))
        if self.max_pool:
            x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))  # after a ReLU, zeros pad as -inf does
            x = nn.max_pool(x, (3, 3), (2, 2))
        return x


class FullyConnected(nn.Module):
    """Sub-network `fc`: pool, then one linear layer to the backbone's width."""

    block: type[BasicBlock] | type[BottleneckBlock]
    depths: tuple[int, ...]
    width: int
    position: int
    dtype: Any

    @nn.compact
    def __call__(self, x, train):
        outputs = self.width * 2 ** (len(self.depths) - 1) * self.block.expansion
        return Linear(outputs, name="linear")(pool(x))


class Tail(nn.Module):
    """Sub-networks `small` and `same`: the remaining blocks again, with weights of their own."""

    divide: int
    block: type[BasicBlock] | type[BottleneckBlock]
    depths: tuple[int, ...]
    width: int
    position: int
    dtype: Any

    @nn.compact
    def __call__(self, x, train):
        for i in range(self.position, len(self.depths)):
            count = max(1, self.depths[i] // self.divide)
            stage = Stage(self.block, count, self.width * 2**i, stride(i), self.dtype, name=f"block{i + 1}")
            x = stage(x, train)
        return pool(x)


STEMS = {
    "cifar": partial(Stem, 3, 1, False),
    "imagenet": partial(Stem, 7, 2, True),
    "patch2": partial(Stem, 2, 2, False),
}
SUBNETWORKS = {"fc": FullyConnected, "small": partial(Tail, 2), "same": partial(Tail, 1)}
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
NAMED = {f"resnet{depth}": {"depth": depth} for depth in LAYOUTS}
