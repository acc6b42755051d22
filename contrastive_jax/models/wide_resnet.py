"""Wide ResNets with pre-activation units (Zagoruyko, Komodakis 2016), in the two variants of the papers' code.

`mcl` has the original units, as in MCL's models/wrn.py. `selfcon` is SelfCon's networks/wrn_big.py: it has biases and
sub-networks, and it differs in initialisation and in the places of stride, shortcut and dropout.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from contrastive_jax.errors import InputError
from contrastive_jax.models.batch_norm import BatchNorm
from contrastive_jax.models.fields import check_choice
from contrastive_jax.models.layers import Linear, kaiming_fan_out
from contrastive_jax.models.outputs import FINAL, Outputs, pool
from contrastive_jax.models.segments import block_names, check_segment, position, stride, walk

Maps = Float[Array, "batch height width channel"]
BLOCKS = block_names(3)


class WideResNet(nn.Module):
    """Images `[batch, height, width, channel]` -> `Outputs` with 64 * widen features."""

    depth: int = 16
    """6n + 4, for n units in each of the three blocks."""
    widen: int = 2
    """Multiplies the channels of the three blocks: 16, 32 and 64."""
    variant: str = "mcl"
    """`mcl`: no biases, stride in the first convolution of a unit; a shortcut that changes the shape starts after
    BatchNorm and ReLU. `selfcon`: biases, stride in the second convolution, shortcuts that start at the unit's input,
    Xavier initialisation, and a final BatchNorm with momentum 0.1 (it keeps a tenth of the running average)."""
    stem: str = "cifar"
    """`cifar`: 3x3. `imagenet`: 7x7 with stride 2, then a max-pool (SelfCon's code)."""
    dropout: float = 0.0
    """Rate of the dropout inside the units. SelfCon's published WRN-16-8 has 0.3."""
    subnetworks: tuple[str, ...] = ()
    """Blocks after which a sub-network branches off, e.g. `("block1",)`."""
    subnetwork: str = "same"
    """`fc`: pooling and one linear layer. `pool`: pooling only. `small`, `same`, `large`: the remaining blocks with
    (n + 1) // 2, n and 2n units each, without the final BatchNorm and ReLU of the backbone, as in SelfCon's code."""
    norm_group: int = 0
    """Rows that BatchNorm normalises together: 0 the global batch, -1 those of one device, g > 0 every g rows."""
    after: str = ""
    until: str = ""
    """The blocks to compute, for shared trunks (see `segments`)."""
    dtype: Any = jnp.float32

    def __post_init__(self):
        if self.depth < 10 or self.depth % 6 != 4:
            raise InputError(f"network.depth is {self.depth}: give 6n + 4, e.g. 10, 16, 28 or 40.")
        check_choice("network.variant", self.variant, VARIANTS)
        check_choice("network.stem", self.stem, STEMS)
        check_choice("network.subnetwork", self.subnetwork, SUBNETWORKS)
        check_segment(BLOCKS, self.after, self.until, self.subnetworks)
        super().__post_init__()

    @nn.compact
    def __call__(self, images: Maps, train: bool) -> Outputs:
        form, units = VARIANTS[self.variant], (self.depth - 4) // 6
        conv = partial(form.conv, dtype=self.dtype)
        norm = partial(BatchNorm, dtype=self.dtype, group=self.norm_group)
        unit = partial(form.unit, conv, norm, self.dropout)
        blocks = {
            name: partial(Block(unit, units, 16 * self.widen * 2**i, stride(i), name=name), train=train)
            for i, name in enumerate(BLOCKS)
        }
        stem = STEMS[self.stem](conv, name="stem")
        maps = walk(images.astype(self.dtype), stem, blocks, self.after, self.until)
        if self.until:
            return Outputs({self.until: maps[self.until]}, {})
        exits = {}
        for name in sorted(self.subnetworks):
            tail = SUBNETWORKS[self.subnetwork](unit, units, self.widen, position(name), name=f"sub_{name}")
            exits[name] = tail(maps[name], train)
        x = norm(momentum=form.final_momentum, name="norm")(maps[BLOCKS[-1]], train)
        exits[FINAL] = pool(nn.relu(x))
        maps.pop(self.after, None)
        return Outputs(maps, exits)


class OriginalUnit(nn.Module):
    """BatchNorm-ReLU-conv (strided), BatchNorm-ReLU-dropout-conv and a shortcut."""

    conv: Any
    norm: Any
    dropout: float
    channels: int
    stride: int

    @nn.compact
    def __call__(self, x, train):
        y = nn.relu(self.norm(name="norm1")(x, train))
        if x.shape[-1] != self.channels:
            x = self.conv(self.channels, (1, 1), self.stride, padding=0, name="shortcut")(y)
        y = self.conv(self.channels, (3, 3), self.stride, padding=1, name="conv1")(y)
        y = nn.relu(self.norm(name="norm2")(y, train))
        y = nn.Dropout(self.dropout, deterministic=not train)(y)
        return x + self.conv(self.channels, (3, 3), padding=1, name="conv2")(y)


class SelfConUnit(OriginalUnit):
    """BatchNorm-ReLU-conv-dropout, BatchNorm-ReLU-conv (strided) and a shortcut from the unit's input."""

    @nn.compact
    def __call__(self, x, train):
        y = nn.relu(self.norm(name="norm1")(x, train))
        y = self.conv(self.channels, (3, 3), padding=1, name="conv1")(y)
        y = nn.Dropout(self.dropout, deterministic=not train)(y)
        y = nn.relu(self.norm(name="norm2")(y, train))
        y = self.conv(self.channels, (3, 3), self.stride, padding=1, name="conv2")(y)
        if x.shape != y.shape:
            x = self.conv(self.channels, (1, 1), self.stride, padding=0, name="shortcut")(x)
        return x + y


class Block(nn.Module):
    """A sequence of `units` units, the first of them strided."""

    unit: Any
    units: int
    channels: int
    stride: int

    @nn.compact
    def __call__(self, x, train):
        for i in range(self.units):
            x = self.unit(self.channels, self.stride if i == 0 else 1, name=f"unit{i + 1}")(x, train)
        return x


class CifarStem(nn.Module):
    """One 3x3 convolution, without BatchNorm."""

    conv: Any

    @nn.compact
    def __call__(self, x):
        return self.conv(16, (3, 3), padding=1, name="conv")(x)


class ImageNetStem(CifarStem):
    """A 7x7 convolution and a max-pool, each with stride 2."""

    @nn.compact
    def __call__(self, x):
        x = self.conv(16, (7, 7), 2, padding=3, name="conv")(x)
        x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-jnp.inf)
        return nn.max_pool(x, (3, 3), (2, 2))


class PoolOnly(nn.Module):
    """Sub-network `pool`: mean over space, without parameters."""

    unit: Any
    units: int
    widen: int
    position: int
    """Number of the block after which it branches off."""

    @nn.compact
    def __call__(self, x, train):
        return pool(x)


class FullyConnected(PoolOnly):
    """Sub-network `fc`: pooling, then a linear layer to the backbone's width."""

    @nn.compact
    def __call__(self, x, train):
        return Linear(64 * self.widen, name="linear")(pool(x))


class Tail(PoolOnly):
    """Sub-networks `small`, `same` and `large`: a copy of the remaining blocks with separate weights."""

    size: Any
    """From the number of units in the backbone's blocks to that in the sub-network's."""

    @nn.compact
    def __call__(self, x, train):
        for i in range(self.position, len(BLOCKS)):
            block = Block(self.unit, self.size(self.units), 16 * self.widen * 2**i, stride(i), name=BLOCKS[i])
            x = block(x, train)
        return pool(x)


class Form(NamedTuple):
    """What differs between the two variants."""

    unit: type[OriginalUnit]
    conv: Callable[..., nn.Module]
    final_momentum: float
    """Momentum of the final BatchNorm: the share of the running average that a step keeps."""


xavier_sqrt2 = nn.initializers.variance_scaling(2.0, "fan_avg", "uniform")
"""Xavier uniform with gain sqrt(2)."""
VARIANTS = {
    "mcl": Form(OriginalUnit, partial(nn.Conv, use_bias=False, kernel_init=kaiming_fan_out), 0.9),
    "selfcon": Form(SelfConUnit, partial(nn.Conv, kernel_init=xavier_sqrt2), 0.1),
}
STEMS = {"cifar": CifarStem, "imagenet": ImageNetStem}
SUBNETWORKS = {
    "pool": PoolOnly,
    "fc": FullyConnected,
    "small": partial(Tail, size=lambda units: (units + 1) // 2),
    "same": partial(Tail, size=lambda units: units),
    "large": partial(Tail, size=lambda units: 2 * units),
}
NAMED = {
    "wrn_16_2": {"depth": 16, "widen": 2},
    "wrn_28_4": {"depth": 28, "widen": 4},
    "wrn_40_2": {"depth": 40, "widen": 2},
    "wrn_16_8": {"depth": 16, "widen": 8, "variant": "selfcon", "dropout": 0.3},
}
