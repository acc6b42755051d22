"""The arithmetic of BatchNorm in few passes over the activations: a ResNet's step is bound by memory traffic.

Batch normalisation maps every channel by `factor * x + offset`, with coefficients computed from the batch.
`moments` reads the activations once. `relu_sum` applies the map, adds a block's shortcut and takes the ReLU in one
pass; its gradient reads the activations twice, once for the sums over the batch and once for the result. The
barriers force XLA to fuse in this way. benchmarks/RESULTS.md lists the bytes that each variant moves.
"""

import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import AxisType
from jaxtyping import Array, Float

from contrastive_jax.parallel.mesh import DATA

Map = Float[Array, "batch *space channel"]
Grouped = Float[Array, "group rows *space channel"]
PerChannel = Float[Array, "group channel"]


class Affine(NamedTuple):
    """`factor * x + offset`, not evaluated yet, all in float32."""

    x: Map
    factor: PerChannel
    """Row g applies to the g-th of `group` equal parts of consecutive rows of `x`."""
    offset: PerChannel
    dtype: Any
    """Type of the evaluated map."""


def materialise(affine: Affine) -> Map:
    """`factor * x + offset`, in the map's `dtype`."""
    return _values(*_parts(affine)).reshape(affine.x.shape).astype(affine.dtype)


def relu_sum(branch: Affine, *others: Affine | Map) -> Map:
    """ReLU of the sum of `branch` and `others`, which ends a residual block. All have one shape and grouping."""
    maps = [_parts(branch), *(_parts(other) for other in others if isinstance(other, Affine))]
    plain = [_grouped(other, branch.factor) for other in others if not isinstance(other, Affine)]
    y: Array = _relu_sum(branch.dtype, maps, plain)
    return y.reshape(branch.x.shape)


@jax.custom_vjp
def moments(x: Grouped) -> tuple[PerChannel, PerChannel]:
    """Mean and biased variance of every group of `x`, which is float32."""
    return _moments(x)[0]


def _moments(x):
    total, squares = _sums(x, jnp.square(x), on_gpu=_joint_sums)
    count = x[0, ..., 0].size
    mean = total / count
    return (mean, jnp.maximum(0.0, squares / count - jnp.square(mean))), (x, mean)


def _moments_bwd(saved, cotangents):
    x, mean = saved
    dmean, dvar = (each / x[0, ..., 0].size for each in cotangents)
    return (_values(x, 2 * dvar, dmean - 2 * dvar * mean),)


moments.defvjp(_moments, _moments_bwd)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _relu_sum(dtype, maps, plain):
    return _relu_sum_fwd(dtype, maps, plain)[0]


def _relu_sum_fwd(dtype, maps, plain):
    terms = [_values(*each) for each in maps] + [each.astype(jnp.float32) for each in plain]
    y = jnp.maximum(sum(terms[1:], terms[0]), 0).astype(dtype)
    if len(terms) == 1:
        return y, (maps, plain, None)
    y = lax.optimization_barrier(y)  # the next block adds y: read it there instead of computing it again
    return y, (maps, plain, y)


def _relu_sum_bwd(dtype, saved, g):
    maps, plain, y = saved
    g = g.astype(jnp.float32) * _is_positive(_values(*maps[0]) if y is None else y)
    total, product = _sums(g, g * maps[0][0], on_gpu=_joint_sums_by_parts)
    if y is not None:  # several terms need the masked gradient: store it once, in the activations' type
        g = lax.optimization_barrier(g.astype(dtype)).astype(jnp.float32)
    products = [product, *(_separate_sums(g * x)[0] for x, _, _ in maps[1:])]
    dmaps = [(g * _over(factor, g), product, total) for (_, factor, _), product in zip(maps, products)]
    return dmaps, [g.astype(each.dtype) for each in plain]


_relu_sum.defvjp(_relu_sum_fwd, _relu_sum_bwd)


def _is_positive(x):
    """1.0 or 0.0. XLA would store a comparison, one byte per element, between the kernels that use it."""
    return jnp.sign(jnp.maximum(x.astype(jnp.float32), 0))


def _parts(affine: Affine):
    return _grouped(affine.x, affine.factor), affine.factor, affine.offset


def _grouped(x, factor):
    return x.reshape(len(factor), -1, *x.shape[1:])


def _values(x, factor, offset):
    return x * _over(factor, x) + _over(offset, x)


def _over(coefficient, x):
    """`coefficient` `[group, channel]`, broadcastable to `x`."""
    return coefficient.reshape(len(coefficient), *[1] * (x.ndim - 2), -1)


def _sums(*terms: Grouped, on_gpu) -> tuple[PerChannel, ...]:
    return lax.platform_dependent(*terms, cuda=on_gpu, default=_separate_sums)


def _separate_sums(*terms):
    return tuple(term.sum(range(1, term.ndim - 1)) for term in terms)


def _joint_sums(*terms):
    """One reduction of tuples, whose second stage on a GPU is a single kernel. A CPU takes five times as long."""

    def add(a, b):
        return tuple(x + y for x, y in zip(a, b))

    zeros = tuple(jnp.zeros((), term.dtype) for term in terms)
    return tuple(lax.reduce(terms, zeros, add, range(1, terms[0].ndim - 1)))


def _joint_sums_by_parts(*terms, least=128):
    """`_joint_sums` in two explicit stages, the first over parts of at least `least` positions.

    XLA uses a single stage for up to 4096 positions and does not fuse a gradient's terms into it.
    """
    groups, rows, *space, channels = terms[0].shape
    # A part crosses neither groups nor devices.
    whole = math.gcd(rows, groups * rows // devices_in_view())
    part = 1
    while whole % (2 * part) == 0 and part * math.prod(space) < least:
        part *= 2
    split = (term.reshape(groups * rows // part, part, *space, channels) for term in terms)
    partial = (each.reshape(groups, rows // part, channels) for each in _joint_sums(*split))
    return _joint_sums(*partial)


def devices_in_view() -> int:
    """Number of devices over which the current mesh (`jax.set_mesh`) spreads the rows being traced.

    It is 1 without a mesh, and inside a `jax.shard_map` over `data`, where arrays hold the rows of one device.
    """
    mesh = jax.sharding.get_abstract_mesh()
    kinds = dict(zip(mesh.axis_names, mesh.axis_types))
    return 1 if kinds.get(DATA, AxisType.Manual) == AxisType.Manual else mesh.shape[DATA]
