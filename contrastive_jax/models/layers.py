"""Layers with the initialisation of the authors' PyTorch networks, by name."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

kaiming_fan_out = nn.initializers.variance_scaling(2.0, "fan_out", "normal")
"""Convolutions of ResNet (He et al.): normal with variance 2 / (kernel area x output channels)."""

torch_linear = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
"""Kernel of PyTorch's `nn.Linear`: uniform within 1 / sqrt(inputs)."""


def torch_bias(inputs: int):
    """Bias of PyTorch's `nn.Linear` and `nn.Conv2d`: uniform within 1 / sqrt(inputs)."""

    def init(key, shape, dtype=jnp.float32):
        bound = inputs**-0.5
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init


class Linear(nn.Module):
    """Affine map `[..., inputs] -> [..., outputs]`, initialised as PyTorch does."""

    outputs: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "... inputs"]) -> Float[Array, "... outputs"]:
        layer = nn.Dense(
            self.outputs,
            kernel_init=torch_linear,
            bias_init=torch_bias(x.shape[-1]),
            dtype=self.dtype,
            name="dense",
        )
        return layer(x)


class BatchNorm(nn.Module):
    """Batch normalisation over the whole global batch: float32 statistics, running average 0.9.

    Under `jit` with a sharded batch the statistics are those of all devices, so a run does not depend on
    their number.
    """

    dtype: Any = jnp.float32
    scale_init: Any = nn.initializers.ones

    @nn.compact
    def __call__(self, x: Float[Array, "batch *space channel"], train: bool):
        layer = nn.BatchNorm(
            use_running_average=not train,
            momentum=0.9,
            epsilon=1e-5,
            dtype=self.dtype,
            scale_init=self.scale_init,
            name="norm",
        )
        return layer(x)
