"""ShuffleNetV2 for small images (Ma et al. 2018), as in MCL's code: the stem has stride 1 and no max-pool.

A block consists of one unit that halves the resolution and several that keep it. A 1x1 convolution comes last. As in
MCL's code, all weights have PyTorch's default initialisation.
"""

from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from contrastive_jax.errors import InputError
from contrastive_jax.models.batch_norm import BatchNorm
from contrastive_jax.models.layers import torch_linear
from contrastive_jax.models.outputs import FINAL, Outputs, pool
from contrastive_jax.models.segments import block_names, check_segment, walk

Maps = Float[Array, "batch _height _width _channel"]
STEM = 24
"""Channels before the first block, the same for all sizes of the network."""


class ShuffleNet(nn.Module):
    """Images `[batch, height, width, channel]` -> `Outputs` with 1024 features; 32 x 32 pixels end as 4 x 4."""

    channels: tuple[int, ...] = (116, 232, 464)
    """Width of each block, an even number."""
    units: tuple[int, ...] = (3, 7, 3)
    """Units in each block that keep the resolution, after the one that halves it."""
    features: int = 1024
    """Channels of the last 1x1 convolution."""
    subnetworks: tuple[str, ...] = ()
    """Blocks whose pooled map is an exit as well, e.g. `("block2",)`. These exits have no parameters."""
    norm_group: int = 0
    """Rows that BatchNorm normalises together: 0 the global batch, -1 those of one device, g > 0 every g rows."""
    after: str = ""
    until: str = ""
    """The blocks to compute, for shared trunks (see `segments`)."""
    dtype: Any = jnp.float32

    def __post_init__(self):
        if any(width % 2 for width in self.channels) or len(self.channels) != len(self.units):
            raise InputError(
                f"network.channels is {self.channels} with units {self.units}: give one even width per block."
            )
        check_segment(block_names(len(self.channels)), self.after, self.until, self.subnetworks)
        super().__post_init__()

    @nn.compact
    def __call__(self, images: Maps, train: bool) -> Outputs:
        layer = {"norm_group": self.norm_group, "dtype": self.dtype}
        stem = ConvNorm(STEM, 3, name="stem", **layer)
        blocks = {
            f"block{i + 1}": partial(Stage(width, units, name=f"block{i + 1}", **layer), train=train)
            for i, (width, units) in enumerate(zip(self.channels, self.units, strict=True))
        }
        x = images.astype(self.dtype)
        maps = walk(x, partial(stem, train=train), blocks, self.after, self.until)
        if self.until:
            return Outputs(maps, {})
        exits = {name: pool(maps[name]) for name in sorted(self.subnetworks)}
        last = ConvNorm(self.features, 1, name="last", **layer)
        exits[FINAL] = pool(last(maps[f"block{len(blocks)}"], train))
        maps.pop(self.after, None)
        return Outputs(maps, exits)


class ConvNorm(nn.Module):
    """Convolution, BatchNorm and, if `relu`, a ReLU. With `depthwise`, each channel has its own filter."""

    channels: int
    kernel: int
    stride: int = 1
    depthwise: bool = False
    relu: bool = True
    norm_group: int = 0
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Maps, train: bool) -> Maps:
        conv = nn.Conv(
            self.channels,
            (self.kernel, self.kernel),
            self.stride,
            padding=self.kernel // 2,
            feature_group_count=self.channels if self.depthwise else 1,
            use_bias=False,
            kernel_init=torch_linear,
            dtype=self.dtype,
            name="conv",
        )
        x = BatchNorm(dtype=self.dtype, group=self.norm_group, name="norm")(conv(x), train)
        return nn.relu(x) if self.relu else x


class KeepUnit(nn.Module):
    """Half of the channels pass unchanged; the others go through 1x1, depthwise 3x3 and 1x1 convolutions."""

    norm_group: int
    dtype: Any

    @nn.compact
    def __call__(self, x: Maps, train: bool) -> Maps:
        layer = partial(ConvNorm, norm_group=self.norm_group, dtype=self.dtype)
        passed, y = jnp.split(x, 2, axis=-1)
        half = y.shape[-1]
        y = layer(half, 1, name="layer1")(y, train)
        y = layer(half, 3, depthwise=True, relu=False, name="layer2")(y, train)
        y = layer(half, 1, name="layer3")(y, train)
        return shuffle(jnp.concatenate([passed, y], axis=-1))


class HalvingUnit(nn.Module):
    """Two strided branches, both from the whole input; each yields half of the output's channels."""

    channels: int
    norm_group: int
    dtype: Any

    @nn.compact
    def __call__(self, x: Maps, train: bool) -> Maps:
        layer = partial(ConvNorm, norm_group=self.norm_group, dtype=self.dtype)
        half = self.channels // 2
        left = layer(x.shape[-1], 3, 2, depthwise=True, relu=False, name="layer1")(x, train)
        left = layer(half, 1, name="layer2")(left, train)
        right = layer(half, 1, name="layer3")(x, train)
        right = layer(half, 3, 2, depthwise=True, relu=False, name="layer4")(right, train)
        right = layer(half, 1, name="layer5")(right, train)
        return shuffle(jnp.concatenate([left, right], axis=-1))


class Stage(nn.Module):
    """One halving unit and `units` that keep the resolution."""

    channels: int
    units: int
    norm_group: int
    dtype: Any

    @nn.compact
    def __call__(self, x: Maps, train: bool) -> Maps:
        x = HalvingUnit(self.channels, self.norm_group, self.dtype, name="unit1")(x, train)
        for i in range(self.units):
            x = KeepUnit(self.norm_group, self.dtype, name=f"unit{i + 2}")(x, train)
        return x


def shuffle(x: Maps) -> Maps:
    """Interleaves the two halves of the channels: channel 2j is the j-th channel of the first half."""
    halves = x.reshape(*x.shape[:-1], 2, x.shape[-1] // 2)
    return jnp.swapaxes(halves, -1, -2).reshape(x.shape)


NAMED = {
    "shufflenet_v2_05x": {"channels": (48, 96, 192)},
    "shufflenet_v2_1x": {"channels": (116, 232, 464)},
    "shufflenet_v2_15x": {"channels": (176, 352, 704)},
    "shufflenet_v2_2x": {"channels": (224, 488, 976), "features": 2048},
}
