"""The gates of HCGNet (Yang et al., AAAI 2020): a layer forgets a part of its map and adds context of two scales."""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from contrastive_jax.models.batch_norm import BatchNorm
from contrastive_jax.models.layers import torch_bias, torch_linear

Maps = Float[Array, "batch _height _width _channel"]
Context = Float[Array, "batch 1 1 _channel"]


class Gates(nn.Module):
    """`x * forget(x) + update(x)`, where both gates give one value per image and channel."""

    reduction: int
    """Ratio of the width of the gates' input to that of their hidden layers."""
    norm_group: int
    dtype: Any

    @nn.compact
    def __call__(self, x: Maps, train: bool) -> Maps:
        fields = (self.reduction, self.norm_group, self.dtype)
        return x * ForgetGate(*fields, name="forget")(x, train) + UpdateGate(*fields, name="update")(x, train)


class ForgetGate(nn.Module):
    """The global context through a bottleneck and a sigmoid: values in (0, 1)."""

    reduction: int
    norm_group: int
    dtype: Any

    @nn.compact
    def __call__(self, x: Maps, train: bool) -> Context:
        channels = x.shape[-1]
        context = global_context(x, pointwise(x, 1, self.dtype, "context"))
        hidden = pointwise(context, channels // self.reduction, self.dtype, "reduce")
        hidden = jnp.tanh(BatchNorm(dtype=self.dtype, group=self.norm_group, name="norm")(hidden, train))
        return nn.sigmoid(pointwise(hidden, channels, self.dtype, "expand"))


class UpdateGate(nn.Module):
    """Global contexts of a 3x3 and of a dilated 3x3 (5x5) depthwise convolution, mixed per channel."""

    reduction: int
    norm_group: int
    dtype: Any

    @nn.compact
    def __call__(self, x: Maps, train: bool) -> Context:
        channels = x.shape[-1]
        scale = partial(
            NormReluConv, channels, 3, groups=channels, norm_group=self.norm_group, dtype=self.dtype
        )
        near = scale(name="near")(x, train)
        far = scale(dilation=2, name="far")(x, train)
        near = global_context(near, pointwise(near, 1, self.dtype, "near_context"))
        far = global_context(far, pointwise(far, 1, self.dtype, "far_context"))
        both = jnp.concatenate([near, far], axis=-1)
        hidden = pointwise(both, 2 * channels // self.reduction, self.dtype, "reduce")
        hidden = jnp.tanh(BatchNorm(dtype=self.dtype, group=self.norm_group, name="norm")(hidden, train))
        share = nn.sigmoid(  # the softmax of two values
            pointwise(hidden, channels, self.dtype, "near_weight")
            - pointwise(hidden, channels, self.dtype, "far_weight")
        )
        return share * near + (1 - share) * far


def global_context(x: Maps, logits: Float[Array, "batch _height _width 1"]) -> Context:
    """Mean of `x` over space, weighted by the softmax of `logits` over space (computed in float32)."""
    weight = jax.nn.softmax(logits.astype(jnp.float32), axis=(1, 2))
    return jnp.sum(x * weight, axis=(1, 2), keepdims=True).astype(x.dtype)


def pointwise(x: Maps, channels: int, dtype: Any, name: str) -> Maps:
    """1x1 convolution with bias, whose parameters belong to the calling module."""
    layer = nn.Conv(
        channels,
        (1, 1),
        kernel_init=torch_linear,
        bias_init=torch_bias(x.shape[-1]),
        dtype=dtype,
        name=name,
    )
    return layer(x)


class NormReluConv(nn.Module):
    """BatchNorm, ReLU and a padded convolution, which keeps the size at stride 1."""

    channels: int
    kernel: int
    stride: int = 1
    groups: int = 1
    dilation: int = 1
    norm_group: int = 0
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Maps, train: bool) -> Maps:
        x = nn.relu(BatchNorm(dtype=self.dtype, group=self.norm_group, name="norm")(x, train))
        conv = nn.Conv(
            self.channels,
            (self.kernel, self.kernel),
            self.stride,
            padding=self.kernel // 2 * self.dilation,
            kernel_dilation=self.dilation,
            feature_group_count=self.groups,
            use_bias=False,
            kernel_init=torch_linear,
            dtype=self.dtype,
            name="conv",
        )
        return conv(x)
