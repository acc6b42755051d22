"""The parts of residual networks (He et al. 2016): the pass through the blocks, stems, units and sub-networks.

A network consists of blocks (`block1`, ...), and a block of residual units: `BasicBlock` or `BottleneckBlock`.
"""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from contrastive_jax.models.affine import relu_sum
from contrastive_jax.models.batch_norm import BatchNorm
from contrastive_jax.models.layers import Linear, conv
from contrastive_jax.models.outputs import FINAL, Outputs, pool
from contrastive_jax.models.segments import block_names, position, stride, walk

constant = nn.initializers.constant

Maps = Float[Array, "batch height width channel"]


def residual_outputs(
    net: Any,
    block: type[nn.Module],
    depths: tuple[int, ...],
    images: Maps,
    train: bool,
    *,
    stem: str = "cifar",
    residual_scale: float = 1.0,
) -> Outputs:
    """The outputs of the residual network `net`, called in its compact `__call__`, so that `net` owns all layers.

    Args:
        net: Has the fields `width`, `subnetworks`, `subnetwork`, `norm_group`, `after`, `until`, `dtype` of `ResNet`.
        block: `BasicBlock` or `BottleneckBlock`.
        depths: Number of residual units in each block.
        images: The images, or the map of the block `net.after`.
        stem: A key of `STEMS`.
        residual_scale: Initial scale of the BatchNorm that ends each residual branch.
    """
    norm = partial(BatchNorm, net.dtype, net.norm_group)
    unit = partial(block, net.dtype, norm, residual_scale)
    first = STEMS[stem](net.width, net.dtype, norm, name="stem")
    blocks = {
        name: partial(Stage(unit, depths[i], net.width * 2**i, stride(i), name=name), train=train)
        for i, name in enumerate(block_names(len(depths)))
    }
    x = images.astype(net.dtype)
    maps = walk(x, partial(first, train=train), blocks, net.after, net.until)
    computed = {name: x for name, x in maps.items() if name != net.after}
    if net.until:
        return Outputs(computed, {})
    exits = {}
    for name in sorted(net.subnetworks):
        tail = SUBNETWORKS[net.subnetwork](unit, depths, net.width, position(name), name=f"sub_{name}")
        exits[name] = tail(maps[name], train)
    exits[FINAL] = pool(maps[list(blocks)[-1]])
    return Outputs(computed, exits)


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
        y = relu_sum(self.norm(name="norm1").affine(y, train))
        y = conv(self.channels, (3, 3), padding=1, dtype=self.dtype, name="conv2")(y)
        last = self.norm(scale_init=constant(self.residual_scale), name="norm2")
        return relu_sum(last.affine(y, train), shortcut(passed, y, self.norm, train))


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
        y = relu_sum(self.norm(name="norm1").affine(y, train))
        y = conv(self.channels, (3, 3), self.stride, padding=1, dtype=self.dtype, name="conv2")(y)
        y = relu_sum(self.norm(name="norm2").affine(y, train))
        y = conv(self.channels * self.expansion, (1, 1), dtype=self.dtype, name="conv3")(y)
        last = self.norm(scale_init=constant(self.residual_scale), name="norm3")
        return relu_sum(last.affine(y, train), shortcut(passed, y, self.norm, train))


def shortcut(x, y, norm, train):
    """The identity if the shapes agree, else a 1x1 convolution with BatchNorm."""
    if x.shape == y.shape:
        return x
    x = conv(y.shape[-1], (1, 1), dtype=y.dtype, name="shortcut_conv")(x)
    return norm(name="shortcut_norm").affine(x, train)


def strided(x: Maps, stride: int) -> tuple[Maps, Float[Array, "batch _ _ channel"]]:
    """`x`, and its subsampled copy for the shortcut: every `stride`-th pixel along both axes.

    The gradient of cuDNN's strided 1x1 convolution would be written in full size, three quarters of it zeros.
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
    # Without the barrier cuDNN adds `spread` itself, for which it would have to be in memory.
    return (lax.optimization_barrier(full) + spread,)


_strided.defvjp(_strided_fwd, _strided_bwd)


class Stage(nn.Module):
    """A block: `count` residual units, the first of them strided."""

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
    """Convolution, BatchNorm, ReLU and optionally a max-pool, before the first block."""

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
        x = relu_sum(self.norm(name="norm").affine(x, train))
        if self.max_pool:
            x = jnp.pad(
                x, ((0, 0), (1, 1), (1, 1), (0, 0))
            )  # after a ReLU, padding with 0 equals padding with -inf
            x = nn.max_pool(x, (3, 3), (2, 2))
        return x


class PoolOnly(nn.Module):
    """Sub-network `pool`: mean over space, without parameters."""

    unit: Any
    depths: tuple[int, ...]
    width: int
    position: int

    @nn.compact
    def __call__(self, x, train):
        return pool(x)


class FullyConnected(PoolOnly):
    """Sub-network `fc`: pooling, then a linear layer to the backbone's width."""

    @nn.compact
    def __call__(self, x, train):
        outputs = self.width * 2 ** (len(self.depths) - 1) * self.unit.func.expansion
        return Linear(outputs, name="linear")(pool(x))


class Tail(nn.Module):
    """Sub-networks `small`, `same` and `large`: a copy of the remaining blocks with separate weights."""

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
