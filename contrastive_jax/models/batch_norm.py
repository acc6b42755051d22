"""Batch normalisation (Ioffe, Szegedy 2015) with a policy for the rows that are normalised together.

The papers' multi-GPU code normalises the rows of each device. Here the group is explicit, so a run can reproduce
that or be independent of the number of devices.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from contrastive_jax.errors import InputError
from contrastive_jax.models.affine import Affine, devices_in_view, materialise, moments


class BatchNorm(nn.Module):
    """Batch normalisation over the rows of a group: scale (x - mean) / sqrt(var + epsilon) + bias.

    Statistics are float32 whatever `dtype` is. Running statistics replace them when `train` is false. They move
    towards the mean over the groups: running = momentum running + (1 - momentum) new. The variance is biased in
    both cases, whereas PyTorch stores the unbiased running variance.
    """

    dtype: Any = jnp.float32
    """Type of the result."""
    group: int = 0
    """Rows normalised together: 0 the whole global batch, so that a run does not depend on the number of devices;
    -1 the rows of one device; g > 0 every g consecutive rows."""
    scale_init: Any = nn.initializers.ones
    use_scale: bool = True
    use_bias: bool = True
    momentum: float = 0.9
    epsilon: float = 1e-5

    def __call__(self, x: Float[Array, "batch *space channel"], train: bool):
        return materialise(self.affine(x, train))

    @nn.compact
    def affine(self, x: Float[Array, "batch *space channel"], train: bool) -> Affine:
        """The map, not evaluated yet: `relu_sum` evaluates it together with a shortcut and a ReLU."""
        x = x.astype(jnp.float32)  # once, so that the gradients of statistics and values are added in float32
        # One dictionary `norm` per collection: the variables are named as if a Flax BatchNorm were inside.
        learns = self.use_scale or self.use_bias
        learned = self.param("norm", self._init_learned, x.shape[-1:]) if learns else {}
        running = self.variable("batch_stats", "norm", standard_moments, x.shape[-1:])
        if train:
            # Initialisation needs shapes only, and its batch may have fewer rows than a group.
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
    """Mean 0 and variance 1, where running statistics start."""
    return {"mean": jnp.zeros(shape), "var": jnp.ones(shape)}


def group_rows(rows: int, group: int) -> int:
    """How many of `rows` consecutive rows are normalised together under the policy `BatchNorm.group`.

    Raises:
        InputError: The policy is unknown, or the rows cannot be split into equal groups.
    """
    if group < -1:
        raise InputError(
            f"norm_group is {group}: give 0 (global batch), -1 (one device) or a positive number of rows."
        )
    parts = devices_in_view() if group == -1 else 1
    size = group if group > 0 else rows // parts
    if size == 0 or rows % size or rows % parts:
        what = f"groups of {group} rows" if group > 0 else f"equal parts for {parts} devices"
        raise InputError(
            f"BatchNorm cannot split {rows} rows into {what}: choose another batch or norm_group."
        )
    return size


def closed_groups():
    """A context in which train-mode BatchNorm over a whole batch, or over all rows of a device, is refused.

    When rows pass in several parts, only groups with a fixed number of rows give the same result.
    """
    return nn.intercept_methods(_refuse_open_groups)


def _refuse_open_groups(method, args, kwargs, context):
    layer = context.module
    train = kwargs.get("train", args[-1] if args else False)
    if isinstance(layer, BatchNorm) and context.method_name == "affine" and train and layer.group < 1:
        raise InputError(
            "micro_batches > 1 cannot reproduce a BatchNorm over the whole batch: set norm_group, in network and"
            " head, to a number of rows that divides a part, or use micro_batches=1 on more devices."
        )
    return method(*args, **kwargs)
