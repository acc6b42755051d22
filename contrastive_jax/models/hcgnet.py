"""HCGNet (Yang et al., AAAI 2020): dense blocks whose layers end in a forget gate and an update gate.

These are the networks A1 and A2 for 32-pixel images, built as in MCL's code. As there, all weights have PyTorch's
default initialisation.
"""

from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from contrastive_jax.errors import InputError
from contrastive_jax.models.batch_norm import BatchNorm
from contrastive_jax.models.hcgnet_gates import Gates, NormReluConv
from contrastive_jax.models.layers import torch_linear
from contrastive_jax.models.outputs import FINAL, Outputs, pool
from contrastive_jax.models.segments import block_names, check_segment, walk

Maps = Float[Array, "batch _height _width _channel"]
SQUEEZE = 4
"""Channels inside a layer, as a multiple of its growth."""
GROUPS = 4
"""Groups of the convolution that reduces these channels to the growth."""


class HCGNet(nn.Module):
    """Images `[batch, height, width, channel]` -> `Outputs`, with 414 features (A1) or 716 (A2)."""

    growth: tuple[int, ...] = (12, 24, 36)
    """Channels that each layer of a block adds, a multiple of 4 per block."""
    layers: tuple[int, ...] = (8, 8, 8)
    """Layers per block. Every block except the last ends in a transition."""
    subnetworks: tuple[str, ...] = ()
    """Blocks whose pooled map is an exit as well, e.g. `("block2",)`. These exits have no parameters."""
    norm_group: int = 0
    """Rows that BatchNorm normalises together: 0 the global batch, -1 those of one device, g > 0 every g rows."""
    after: str = ""
    until: str = ""
    """The blocks to compute, for shared trunks (see `segments`)."""
    dtype: Any = jnp.float32

    def __post_init__(self):
        if any(growth % GROUPS for growth in self.growth) or len(self.growth) != len(self.layers):
            raise InputError(
                f"network.growth is {self.growth} with layers {self.layers}: "
                f"give one multiple of {GROUPS} per block."
            )
        check_segment(block_names(len(self.growth)), self.after, self.until, self.subnetworks)
        super().__post_init__()

    @nn.compact
    def __call__(self, images: Maps, train: bool) -> Outputs:
        stem = nn.Conv(
            2 * self.growth[0],
            (3, 3),
            padding=1,
            use_bias=False,
            kernel_init=torch_linear,
            dtype=self.dtype,
            name="stem",
        )
        last = len(self.growth)
        blocks = {
            f"block{i}": partial(
                Stage(growth, layers, i != last, self.norm_group, self.dtype, name=f"block{i}"), train=train
            )
            for i, (growth, layers) in enumerate(zip(self.growth, self.layers, strict=True), start=1)
        }
        maps = walk(images.astype(self.dtype), stem, blocks, self.after, self.until)
        if self.until:
            return Outputs(maps, {})
        exits = {name: pool(maps[name]) for name in sorted(self.subnetworks)}
        x = BatchNorm(dtype=self.dtype, group=self.norm_group, name="norm")(maps[f"block{last}"], train)
        exits[FINAL] = pool(nn.relu(x))
        maps.pop(self.after, None)
        return Outputs(maps, exits)


class Stage(nn.Module):
    """`layers` densely connected layers, and optionally a transition that halves channels and resolution."""

    growth: int
    layers: int
    transition: bool
    norm_group: int
    dtype: Any

    @nn.compact
    def __call__(self, x: Maps, train: bool) -> Maps:
        for i in range(self.layers):
            layer = GatedLayer(self.growth, self.norm_group, self.dtype, name=f"layer{i + 1}")
            x = jnp.concatenate([x, layer(x, train)], axis=-1)
        if self.transition:
            x = Transition(self.norm_group, self.dtype, name="transition")(x, train)
        return x


class GatedLayer(nn.Module):
    """A layer's new channels: 1x1 convolution, grouped 3x3 convolution, gates. The paper calls it SMG."""

    growth: int
    norm_group: int
    dtype: Any

    @nn.compact
    def __call__(self, x: Maps, train: bool) -> Maps:
        layer = partial(NormReluConv, norm_group=self.norm_group, dtype=self.dtype)
        x = layer(SQUEEZE * self.growth, 1, name="reduce")(x, train)
        x = layer(self.growth, 3, groups=GROUPS, name="squeeze")(x, train)
        return Gates(2, self.norm_group, self.dtype, name="gates")(x, train)


class Transition(nn.Module):
    """Halves channels and resolution, then applies gates. The 1x1 convolution removes half of the surplus channels."""

    norm_group: int
    dtype: Any

    @nn.compact
    def __call__(self, x: Maps, train: bool) -> Maps:
        layer = partial(NormReluConv, norm_group=self.norm_group, dtype=self.dtype)
        inputs = x.shape[-1]
        outputs = inputs // 2
        x = layer(inputs - (inputs - outputs) // 2, 1, name="reduce")(x, train)
        x = layer(outputs, 3, stride=2, name="squeeze")(x, train)
        return Gates(4, self.norm_group, self.dtype, name="gates")(x, train)


NAMED = {
    "hcgnet_a1": {"growth": (12, 24, 36)},
    "hcgnet_a2": {"growth": (24, 36, 64)},
}
