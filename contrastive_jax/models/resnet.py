"""ResNet with sub-networks at any of its blocks (He et al. 2016; SelfCon App. B and C).

A sub-network named `block2` leaves the backbone after block 2 and ends in a pooled representation of the
backbone's own width, as in SelfCon's released code.
"""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from contrastive_jax.errors import InputError, nearest
from contrastive_jax.models.batch_norm import rectified
from contrastive_jax.models.layers import BatchNorm, Linear, conv
from contrastive_jax.models.outputs import FINAL, Outputs

constant = nn.initializers.constant

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
    """`fc`: pool and one linear layer. `pool`: pool only, as wide as its block. `small`, `same`, `large`: the
    remaining blocks at half, full and double depth."""
    residual_scale: float = 1.0
    """Start of the scale that ends every residual branch: 0 in SimCLR's TensorFlow code and in MoCo v3."""
    norm_group: int = 0
    """Rows that BatchNorm sees together: 0 the global batch, -1 those of one device, g > 0 every g."""
    after: str = ""
    """`block1`: the input is the map of block 1, and the rest of the network is computed."""
    until: str = ""
    """`block1`: ends after block 1, without exits. Names of parameters depend neither on this nor on `after`."""
    dtype: Any = jnp.float32

    def __post_init__(self):
        check_choice("depth", str(self.depth), map(str, LAYOUTS))
        check_choice("stem", self.stem, STEMS)
        check_choice("subnetwork", self.subnetwork, SUBNETWORKS)
        check_segment(len(LAYOUTS[self.depth][1]), self.after, self.until, self.subnetworks)
        super().__post_init__()

    @nn.compact
    def __call__(self, images: Maps, train: bool) -> Outputs:
        block, depths = LAYOUTS[self.depth]
        norm = partial(BatchNorm, self.dtype, self.norm_group)
        unit = partial(block, self.dtype, norm, self.residual_scale)
        x, blocks = images.astype(self.dtype), {}
        if self.after:
            blocks[self.after] = x
        else:
            x = STEMS[self.stem](self.width, self.dtype, norm, name="stem")(x, train)
        for i in range(position(self.after), position(self.until) or len(depths)):
            x = Stage(unit, depths[i], self.width * 2**i, stride(i), name=f"block{i + 1}")(x, train)
            blocks[f"block{i + 1}"] = x
        if self.until:
            return Outputs({self.until: x}, {})
        exits = {}
        for name in sorted(self.subnetworks):
            tail = SUBNETWORKS[self.subnetwork](unit, depths, self.width, position(name), name=f"sub_{name}")
            exits[name] = tail(blocks[name], train)
        exits[FINAL] = pool(x)
        blocks.pop(self.after, None)
        return Outputs(blocks, exits)


def check_choice(field: str, value: str, valid) -> None:
    valid = list(valid)
    if value not in valid:
        raise InputError(f"network.{field} is '{value}': {nearest(value, valid)}")


def check_segment(count: int, after: str, until: str, subnetworks: tuple[str, ...]) -> None:
    """`after`, `until` and `subnetworks` name inner ones of `count` blocks, and something is left to compute."""
    inner = [f"block{i}" for i in range(1, count)]
    for field, names in {"after": [after], "until": [until], "subnetworks": subnetworks}.items():
        for name in filter(None, names):
            check_choice(field, name, inner)
    if until and position(until) <= position(after):
        raise InputError(f"network.until is '{until}': it must lie behind network.after '{after}'.")
    if not until and any(position(name) < position(after) for name in subnetworks):
        raise InputError(
            f"network.subnetworks leave before '{after}', where this part of the network begins."
        )


def position(block: str) -> int:
    """2 for `block2`; 0 for the empty name."""
    return int(block[5:] or 0)


def stride(stage: int) -> int:
    """The first block keeps the resolution, every later one halves it."""
    return 1 if stage == 0 else 2


def pool(x: Maps) -> Float[Array, "batch channel"]:
    """Mean over space, in float32 whatever the compute type."""
    return jnp.mean(x.astype(jnp.float32), axis=(1, 2))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    dtype: Any
    norm: Any
    residual_scale: float
    channels: int
    stride: int
    expansion = 1

    @nn.compact
    def __call__(self, x, train):
        x, passed = strided(x, self.stride)
        y = conv(self.channels, (3, 3), self.stride, padding=1, dtype=self.dtype, name="conv1")(x)
        y = rectified(self.norm(name="norm1").affine(y, train))
        y = conv(self.channels, (3, 3), padding=1, dtype=self.dtype, name="conv2")(y)
        last = self.norm(scale_init=constant(self.residual_scale), name="norm2")
        return rectified(last.affine(y, train), shortcut(passed, y, self.norm, train))


class BottleneckBlock(nn.Module):
    """1x1, 3x3 (strided) and 1x1 convolutions and a shortcut."""

    dtype: Any
    norm: Any
    residual_scale: float
    channels: int
    stride: int
    expansion = 4

    @nn.compact
    def __call__(self, x, train):
        x, passed = strided(x, self.stride)
        y = conv(self.channels, (1, 1), dtype=self.dtype, name="conv1")(x)
        y = rectified(self.norm(name="norm1").affine(y, train))
        y = conv(self.channels, (3, 3), self.stride, padding=1, dtype=self.dtype, name="conv2")(y)
        y = rectified(self.norm(name="norm2").affine(y, train))
        y = conv(self.channels * self.expansion, (1, 1), dtype=self.dtype, name="conv3")(y)
        last = self.norm(scale_init=constant(self.residual_scale), name="norm3")
        return rectified(last.affine(y, train), shortcut(passed, y, self.norm, train))


def shortcut(x, y, norm, train):
    """The identity where shapes agree, else a 1x1 convolution with its own BatchNorm."""
    if x.shape == y.shape:
        return x
    x = conv(y.shape[-1], (1, 1), dtype=y.dtype, name="shortcut_conv")(x)
    return norm(name="shortcut_norm").affine(x, train)


def strided(x: Maps, stride: int) -> tuple[Maps, Float[Array, "batch _ _ channel"]]:
    """`x` for the block, and of it what a strided shortcut passes: every `stride`-th pixel of both axes.

    A strided 1x1 convolution of cuDNN would write a gradient of full size, three quarters of it zeros.
    """
    return (x, x) if stride == 1 else _strided(x, stride)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def _strided(x, stride):
    return x, x[:, ::stride, ::stride]


def _strided_fwd(x, stride):
    return _strided(x, stride), x.shape


def _strided_bwd(stride, shape, gradients):
    full, passed = gradients
    after = [size - 1 - (size - 1) // stride * stride for size in shape[1:3]]
    padding = [(0, 0, 0), *((0, n, stride - 1) for n in after), (0, 0, 0)]
    spread = lax.pad(passed, jnp.zeros((), passed.dtype), padding)
    # The barrier keeps cuDNN from adding `spread`, which would have to be in memory for it.
    return (lax.optimization_barrier(full) + spread,)


_strided.defvjp(_strided_fwd, _strided_bwd)


class Stage(nn.Module):
    """`count` residual blocks, the first of them strided."""

    unit: Any
    count: int
    channels: int
    stride: int

    @nn.compact
    def __call__(self, x, train):
        for i in range(self.count):
            strides = self.stride if i == 0 else 1
            x = self.unit(self.channels, strides, name=f"unit{i + 1}")(x, train)
        return x


class Stem(nn.Module):
    """One convolution, BatchNorm, ReLU and perhaps a max-pool, before the first block."""

    kernel: int
    stride: int
    max_pool: bool
    channels: int
    dtype: Any
    norm: Any

    @nn.compact
    def __call__(self, x, train):
        padding = (self.kernel - 1) // 2
        size = (self.kernel, self.kernel)
        x = conv(self.channels, size, self.stride, padding=padding, dtype=self.dtype, name="conv")(x)
        x = rectified(self.norm(name="norm").affine(x, train))
        if self.max_pool:
            x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))  # after a ReLU, zeros pad as -inf does
            x = nn.max_pool(x, (3, 3), (2, 2))
        return x


class PoolOnly(nn.Module):
    """Sub-network `pool`: no parameters."""

    unit: Any
    depths: tuple[int, ...]
    width: int
    position: int

    @nn.compact
    def __call__(self, x, train):
        return pool(x)


class FullyConnected(PoolOnly):
    """Sub-network `fc`: pool, then one linear layer to the backbone's width."""

    @nn.compact
    def __call__(self, x, train):
        outputs = self.width * 2 ** (len(self.depths) - 1) * self.unit.func.expansion
        return Linear(outputs, name="linear")(pool(x))


class Tail(nn.Module):
    """Sub-networks `small`, `same` and `large`: the remaining blocks again, with weights of their own."""

    depth_factor: float
    unit: Any
    depths: tuple[int, ...]
    width: int
    position: int

    @nn.compact
    def __call__(self, x, train):
        for i in range(self.position, len(self.depths)):
            count = max(1, int(self.depths[i] * self.depth_factor))
            x = Stage(self.unit, count, self.width * 2**i, stride(i), name=f"block{i + 1}")(x, train)
        return pool(x)


STEMS = {
    "cifar": partial(Stem, 3, 1, False),
    "imagenet": partial(Stem, 7, 2, True),
    "patch2": partial(Stem, 2, 2, False),
}
SUBNETWORKS = {
    "pool": PoolOnly,
    "fc": FullyConnected,
    "small": partial(Tail, 0.5),
    "same": partial(Tail, 1.0),
    "large": partial(Tail, 2.0),
}
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
