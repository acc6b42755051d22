"""Linear layers and convolutions that start with the initialisation of the authors' PyTorch networks."""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental.layout import Layout, with_layout_constraint
from jaxtyping import Array, Float

kaiming_fan_out = nn.initializers.variance_scaling(2.0, "fan_out", "normal")
"""Convolutions of ResNets (He et al.): normal with variance 2 / (kernel area x output channels)."""

torch_linear = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
"""Kernel of PyTorch's `nn.Linear`: uniform between -1 / sqrt(inputs) and 1 / sqrt(inputs)."""


def torch_bias(inputs: int):
    """Bias of PyTorch's `nn.Linear` and `nn.Conv2d`: uniform between -1 / sqrt(inputs) and 1 / sqrt(inputs)."""

    def init(key, shape, dtype=jnp.float32):
        bound = inputs**-0.5
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init


class Linear(nn.Module):
    """Affine map `[..., inputs] -> [..., outputs]`, by default with PyTorch's initialisation."""

    outputs: int
    dtype: Any = jnp.float32
    use_bias: bool = True
    kernel_init: Any = torch_linear
    bias_init: Any = None
    """None: PyTorch's, which depends on the number of inputs."""

    @nn.compact
    def __call__(self, x: Float[Array, "... inputs"], train: bool = False) -> Float[Array, "... outputs"]:
        """`train` has no effect; a `Linear` can be a head, and heads are called with it."""
        layer = nn.Dense(
            self.outputs,
            use_bias=self.use_bias,
            kernel_init=self.kernel_init,
            bias_init=self.bias_init or torch_bias(x.shape[-1]),
            dtype=self.dtype,
            name="dense",
        )
        return layer(x)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def narrowed(kernel: Array, dtype: Any) -> Array:
    """The kernel in the compute type. On a GPU its gradient is returned in the layout of the parameter.

    cuDNN uses another layout. XLA tends to transpose inside the optimizer's update, which then cannot work in
    place: that costs two copies of every kernel.
    """
    return kernel.astype(dtype)


def _row_major(gradient):
    layout = Layout(tuple(range(gradient.ndim)))
    return lax.optimization_barrier(with_layout_constraint(gradient, layout))


def _narrowed_bwd(dtype, _, gradient):
    gradient = lax.platform_dependent(gradient, cuda=_row_major, default=lambda same: same)
    return (gradient.astype(jnp.float32),)


narrowed.defvjp(lambda kernel, dtype: (kernel.astype(dtype), None), _narrowed_bwd)


def _promoted(*args, dtype=None, inexact=True):
    x, kernel, bias = args
    return [x.astype(dtype), narrowed(kernel, dtype), None if bias is None else bias.astype(dtype)]


conv = partial(nn.Conv, use_bias=False, kernel_init=kaiming_fan_out, promote_dtype=_promoted)
"""Convolution without bias, initialised as in ResNets. `dtype`, the compute type, is required."""
