"""Row statistics on several devices: equal to those of one, in the global view and inside `shard_map`."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P
from similarity_cases import (
    ALL,
    L_IN,
    L_OUT,
    TAU,
    K,
    N,
    assert_close,
    oracle,
    rows,
    sharded,
    total,
    value_and_grads,
    weights,
)

from contrastive_jax.parallel.mesh import make_mesh
from contrastive_jax.similarity import row_stats


@pytest.mark.parametrize(
    "impl, devices",
    [*[("blockwise", n) for n in (1, 2, 4, 8)], *[("ring", n) for n in (2, 4, 8)], ("dense", 8)],
)
@pytest.mark.parametrize("k, want", [(None, L_OUT), (K, ALL)])
def test_global_view_is_the_same_on_any_number_of_devices(impl, devices, k, want):
    a, c = rows(N), k and rows(k, seed=1)
    expected = value_and_grads(a, c, want=want, impl="dense")
    mesh = make_mesh(jax.devices()[:devices])
    with jax.set_mesh(mesh):
        got = value_and_grads(sharded(a, mesh), sharded(c, mesh), want=want, impl=impl)
    assert_close(got, expected)


def test_global_view_takes_lengths_that_the_mesh_does_not_divide():
    a, c = rows(13), rows(11, seed=1)
    for contrasts in (None, c):
        expected = value_and_grads(a, contrasts, want=L_IN, impl="dense")
        with jax.set_mesh(make_mesh()):
            # A ring needs equal shards: the columns are gathered, as in blockwise.
            assert_close(value_and_grads(a, contrasts, want=L_IN, impl="ring"), expected)


@pytest.mark.parametrize("impl", ["blockwise", "ring"])
def test_the_number_of_positives_carries_no_gradient(impl):
    a = rows(N)
    with jax.set_mesh(make_mesh(jax.devices()[:2])):
        _, grads, stats = value_and_grads(a, None, want=("pos_count",), impl=impl)
    np.testing.assert_array_equal(stats.pos_count, oracle(a, a, TAU)["pos_count"])
    assert all(np.all(np.asarray(g) == 0) for g in grads)


@pytest.mark.parametrize(
    "impl, devices, check_vma",
    [
        *[("blockwise", 2, False), ("blockwise", 8, True)],
        *[("ring", 2, True), ("ring", 8, False)],
        *[("dense", 8, True)],
    ],
)
def test_inside_shard_map_is_the_same_as_the_global_view(impl, devices, check_vma):
    mesh = make_mesh(jax.devices()[:devices])
    shard = functools.partial(jax.shard_map, mesh=mesh, check_vma=check_vma)
    weight = weights(N)

    def local(a, c, tau, weight, want):
        contrasts = a if c is None else c
        return total(row_stats(a, contrasts, tau=tau, want=want, impl=impl, axis="data"), weight)[None]

    split, whole = P("data"), P()
    a = rows(N)
    for c, want in ((None, L_OUT), (rows(K, seed=1), ALL)):

        def outside(a_z, c_z, tau, c=c, want=want):
            f = shard(
                functools.partial(local, want=want), in_specs=(split, split, whole, split), out_specs=split
            )
            return jnp.sum(f(a._replace(z=a_z), c and c._replace(z=c_z), tau, weight))

        argnums = (0, 2) if c is None else (0, 1, 2)
        got = jax.jit(jax.value_and_grad(outside, argnums))(a.z, c and c.z, jnp.float32(TAU))
        assert_close(got, value_and_grads(a, c, want=want, impl="dense")[:2])

    def slopes(a, weight):
        return jax.grad(lambda z: local(a._replace(z=z), None, TAU, weight, L_OUT)[0])(a.z)

    inside = jax.jit(shard(slopes, in_specs=(split, split), out_specs=split))(a, weight)
    assert_close(inside, value_and_grads(a, None, want=L_OUT, impl="dense")[1][0])


@pytest.mark.parametrize("impl", ["dense", "blockwise"])
def test_inside_shard_map_without_an_axis_each_device_sees_its_rows_only(impl):
    a = rows(16)
    mesh = make_mesh(jax.devices()[:2])

    def local(a):
        return row_stats(a, a, tau=TAU, want=("lse",), impl=impl).lse

    with jax.set_mesh(mesh):
        lse = jax.jit(jax.shard_map(local, in_specs=P("data"), out_specs=P("data"), check_vma=False))(a)
    halves = [jax.tree.map(lambda x, h=h: x[h], a) for h in (slice(8), slice(8, 16))]
    np.testing.assert_allclose(lse, np.concatenate([oracle(h, h, TAU)["lse"] for h in halves]), rtol=1e-5)
