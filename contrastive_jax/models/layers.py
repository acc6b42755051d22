"""Layers with the initialisation of the authors' PyTorch networks, by name."""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental.layout import Layout, with_layout_constraint
from jaxtyping import Array, Float

from contrastive_jax.errors import InputError
from contrastive_jax.models.batch_norm import Affine, devices_in_view, moments, multiplied

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
    """Affine map `[..., inputs] -> [..., outputs]`, initialised as PyTorch does unless told otherwise."""

    outputs: int
    dtype: Any = jnp.float32
    use_bias: bool = True
    kernel_init: Any = torch_linear
    bias_init: Any = None
    """Not given: PyTorch's, which depends on the number of inputs."""

    @nn.compact
    def __call__(self, x: Float[Array, "... inputs"], train: bool = False) -> Float[Array, "... outputs"]:
        """`train` changes nothing; heads are called with it."""
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
    """The kernel in the compute type; on a GPU its gradient comes back in the layout of the parameter.

    cuDNN returns it in another one. Turned within the optimizer's update, as XLA likes to, it keeps that from
    working in place, which costs two copies of every kernel.
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
"""Convolution without bias, initialised as in ResNet. Give `dtype`, the compute type."""


class BatchNorm(nn.Module):
    """Batch normalisation over the rows of a group: scale (x - mean) / sqrt(var + epsilon) + bias.

    Statistics are float32 whatever `dtype`, the type of the result. The running ones, which stand in for them
    where `train` is false, move towards the mean of the groups' statistics: running = momentum running +
    (1 - momentum) new. The variance is the biased one there too (PyTorch keeps the unbiased one).
    """

    dtype: Any = jnp.float32
    group: int = 0
    """Rows normalised together: 0 those of the whole global batch, so that a run does not depend on the number
    of devices; -1 those of one device; g > 0 every g consecutive ones."""
    scale_init: Any = nn.initializers.ones
    use_scale: bool = True
    use_bias: bool = True
    momentum: float = 0.9
    epsilon: float = 1e-5

    def __call__(self, x: Float[Array, "batch *space channel"], train: bool):
        return multiplied(self.affine(x, train))

    @nn.compact
    def affine(self, x: Float[Array, "batch *space channel"], train: bool) -> Affine:
        """The map still to be multiplied out: `rectified` does that together with a shortcut and a ReLU."""
        x = x.astype(jnp.float32)  # once, so that the gradients of statistics and values are added in float32
        # One dictionary `norm` per collection: the variables are named as if a Flax BatchNorm were inside.
        learns = self.use_scale or self.use_bias
        learned = self.param("norm", self._init_learned, x.shape[-1:]) if learns else {}
        running = self.variable("batch_stats", "norm", standard_moments, x.shape[-1:])
        if train:
            # Initialisation wants shapes only, and shows the network fewer rows than a group has.
            size = len(x) if self.is_initializing() else group_rows(len(x), self.group)
            mean, var = moments(x.reshape(-1, size, *x.shape[1:]))
            if not self.is_initializing():
                running.value = self._move(running.value, {"mean": mean.mean(0), "var": var.mean(0)})
        else:
            mean, var = (running.value[name][None] for name in ("mean", "var"))
        factor = lax.rsqrt(var + self.epsilon) * (learned["scale"][None] if self.use_scale else 1.0)
        offset = (learned["bias"][None] if self.use_bias else 0.0) - mean * factor
        return Affine(x, factor, offset, self.dtype)

    def _init_learned(self, key, shape):
        made = {"scale": self.scale_init(key, shape, jnp.float32)} if self.use_scale else {}
        return made | ({"bias": jnp.zeros(shape)} if self.use_bias else {})

    def _move(self, running, new):
        return jax.tree.map(lambda a, b: self.momentum * a + (1 - self.momentum) * b, running, new)


def standard_moments(shape):
    return {"mean": jnp.zeros(shape), "var": jnp.ones(shape)}


def group_rows(rows: int, group: int) -> int:
    """How many of `rows` consecutive rows are normalised together under the policy `BatchNorm.group`."""
    if group < -1:
        raise InputError(
            f"norm_group is {group}: give 0 (global batch), -1 (one device) or a number of rows."
        )
    parts = devices_in_view() if group == -1 else 1
    size = group if group > 0 else rows // parts
    if size == 0 or rows % size or rows % parts:
        what = f"groups of {group} rows" if group > 0 else f"{parts} devices"
        raise InputError(f"BatchNorm cannot split {rows} rows into {what}: choose a batch that they divide.")
    return size


def closed_groups():
    """A context in which BatchNorm over all rows, of the batch or of a device, is refused in train mode.

    Only groups of a given number of rows come out the same when the rows pass in several parts.
    """
    return nn.intercept_methods(_refuse_open_groups)


def _refuse_open_groups(method, args, kwargs, context):
    layer = context.module
    train = kwargs.get("train", args[-1] if args else False)
    if isinstance(layer, BatchNorm) and context.method_name == "affine" and train and layer.group < 1:
        raise InputError(
            "micro_batches > 1 cannot reproduce a BatchNorm over the whole batch: set norm_group to a number of"
            " rows that divides those of a part, in network and head, or use micro_batches=1 on more devices."
        )
    return method(*args, **kwargs)
