"""BatchNorm's arithmetic in few passes over the activations: memory traffic is the time of a ResNet's step.

Batch normalisation maps every channel by `factor * x + offset`, coefficients that come from the batch. `moments`
reads the activations once; `rectified` multiplies out, adds a block's shortcut and applies the ReLU in one pass;
its gradient reads them twice, once for the sums over the batch and once for the result. XLA fuses as is meant here
only where it has no choice, hence the barriers; benchmarks/RESULTS.md holds the bytes of every variant tried.
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
    """`factor * x + offset`, not multiplied out yet, all in float32."""

    x: Map
    factor: PerChannel
    """Row g holds for the g-th of equally many consecutive rows of `x`."""
    offset: PerChannel
    dtype: Any
    """Type of the result."""


def multiplied(affine: Affine) -> Map:
    """The values of the map."""
    return _values(*_parts(affine)).reshape(affine.x.shape).astype(affine.dtype)


def rectified(branch: Affine, *others: Affine | Map) -> Map:
    """ReLU of the sum of `branch` and `others`, of one shape and one grouping: the end of a residual block."""
    maps = [_parts(branch), *(_parts(other) for other in others if isinstance(other, Affine))]
    plain = [_grouped(other, branch.factor) for other in others if not isinstance(other, Affine)]
    y: Array = _rectify(branch.dtype, maps, plain)
    return y.reshape(branch.x.shape)


@jax.custom_vjp
def moments(x: Grouped) -> tuple[PerChannel, PerChannel]:
    """Mean and biased variance of every group. x: float32."""
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
def _rectify(dtype, maps, plain):
    return _rectify_fwd(dtype, maps, plain)[0]


def _rectify_fwd(dtype, maps, plain):
    terms = [_values(*each) for each in maps] + [each.astype(jnp.float32) for each in plain]
    y = jnp.maximum(sum(terms[1:], terms[0]), 0).astype(dtype)
    if len(terms) == 1:
        return y, (maps, plain, None)
    y = lax.optimization_barrier(y)  # the next block adds it: read it there, do not compute it again
    return y, (maps, plain, y)


def _rectify_bwd(dtype, saved, g):
    maps, plain, y = saved
    g = g.astype(jnp.float32) * _is_positive(_values(*maps[0]) if y is None else y)
    total, product = _sums(g, g * maps[0][0], on_gpu=_joint_sums_by_parts)
    if y is not None:  # several terms want the masked gradient: store it, once and in the activations' type
        g = lax.optimization_barrier(g.astype(dtype)).astype(jnp.float32)
    products = [product, *(_separate_sums(g * x)[0] for x, _, _ in maps[1:])]
    dmaps = [(g * _over(factor, g), product, total) for (_, factor, _), product in zip(maps, products)]
    return dmaps, [g.astype(each.dtype) for each in plain]


_rectify.defvjp(_rectify_fwd, _rectify_bwd)


def _is_positive(x):
    """1.0 or 0.0. XLA would store a comparison, a byte per element, between the kernels that need it."""
    return jnp.sign(jnp.maximum(x.astype(jnp.float32), 0))


def _parts(affine: Affine):
    return _grouped(affine.x, affine.factor), affine.factor, affine.offset


def _grouped(x, factor):
    return x.reshape(len(factor), -1, *x.shape[1:])


def _values(x, factor, offset):
    return x * _over(factor, x) + _over(offset, x)


def _over(coefficient, x):
    """[group, channel] in the rank of `x`."""
    return coefficient.reshape(len(coefficient), *[1] * (x.ndim - 2), -1)


def _sums(*terms: Grouped, on_gpu) -> tuple[PerChannel, ...]:
    return lax.platform_dependent(*terms, cuda=on_gpu, default=_separate_sums)


def _separate_sums(*terms):
    return tuple(term.sum(range(1, term.ndim - 1)) for term in terms)


def _joint_sums(*terms):
    """One reduction of tuples: its second stage on a GPU is one kernel too. (A CPU takes five times as long.)"""

    def add(a, b):
        return tuple(x + y for x, y in zip(a, b))

    zeros = tuple(jnp.zeros((), term.dtype) for term in terms)
    return tuple(lax.reduce(terms, zeros, add, range(1, terms[0].ndim - 1)))


def _joint_sums_by_parts(*terms, least=128):
    """`_joint_sums` in two stages of our own, the first over parts of at least `least` positions.

    XLA has a single stage for up to 4096 positions, and does not fuse a gradient's terms into that one.
    """
    groups, rows, *space, channels = terms[0].shape
    whole = math.gcd(
        rows, groups * rows // devices_in_view()
    )  # a part lies within a group and within a device
    part = 1
    while whole % (2 * part) == 0 and part * math.prod(space) < least:
        part *= 2
    split = (term.reshape(groups * rows // part, part, *space, channels) for term in terms)
    partial = (each.reshape(groups, rows // part, channels) for each in _joint_sums(*split))
    return _joint_sums(*partial)


def devices_in_view() -> int:
    """Devices over which the rows of this trace are spread, by the current mesh (`jax.set_mesh`).

    Inside a `jax.shard_map` over `data` arrays are one device's own, and so they are without a mesh: 1.
    """
    mesh = jax.sharding.get_abstract_mesh()
    kinds = dict(zip(mesh.axis_names, mesh.axis_types))
    return 1 if kinds.get(DATA, AxisType.Manual) == AxisType.Manual else mesh.shape[DATA]
