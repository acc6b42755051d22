"""The similarity engine: a loop oracle, then every implementation, view and number of devices against it."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from contrastive_jax.errors import InputError
from contrastive_jax.parallel.mesh import batch_sharding, make_mesh
from contrastive_jax.similarity import (
    PairMask,
    Rows,
    RowStats,
    Scores,
    blockwise,
    dense,
    row_kl,
    row_stats,
    sweep,
)

ALL = RowStats._fields
L_OUT = ("lse", "pos_sum", "pos_count")
L_IN = ("lse", "pos_lse", "pos_count")
NEGATIVES = ("pos_sum", "neg_lse")
TAU = 0.3
LOWEST = float(np.finfo(np.float32).min)


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    monkeypatch.setitem(sweep.TILE, "cpu", 8)


def rows(n, seed=0, dim=5, dtype=jnp.float32, classes=4):
    """Random unit embeddings; some without identity, some without group, one identity twice."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, dim))
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    row, group = np.arange(n), rng.integers(-1, classes, n) * 1_000_003
    group[group < 0] = -1
    row[n // 2] = row[n // 3]
    row[n - 3 :] = -1
    return Rows(jnp.asarray(z, dtype), jnp.asarray(row), jnp.asarray(group))


def oracle(anchors, contrasts, tau):
    """Every statistic, by the definitions, one pair at a time in float64."""
    a, c = (np.asarray(r.z, np.float64) for r in (anchors, contrasts))
    lists = {name: [] for name in ALL}
    for i in range(len(a)):
        valid, positive, negative = [], [], []
        for j in range(len(c)):
            if anchors.row[i] == contrasts.row[j] and contrasts.row[j] >= 0:
                continue
            s = float(a[i] @ c[j]) / tau
            same = anchors.group[i] == contrasts.group[j] and contrasts.group[j] != -1
            valid.append(s)
            (positive if same else negative).append(s)
        lists["lse"].append(np.logaddexp.reduce(valid))
        lists["pos_sum"].append(sum(positive))
        lists["pos_lse"].append(np.logaddexp.reduce(positive))
        lists["neg_lse"].append(np.logaddexp.reduce(negative))
        lists["pos_count"].append(len(positive))
    return {name: np.maximum(values, LOWEST) for name, values in lists.items()}


def total(stats, weight):
    """One number in which every statistic of every anchor has its own weight."""
    values = [jnp.where(s > LOWEST / 2, s, 0) for s in stats if s is not None]
    return sum(jnp.vdot(weight + k, s) for k, s in enumerate(values))


def weights(n):
    return jnp.cos(jnp.arange(n)) / n


@functools.partial(jax.jit, static_argnames=("want", "impl"))
def value_and_grads(a, c, tau=TAU, *, want=ALL, impl):
    """`total`, its gradients (anchors, contrasts, tau) and the statistics; c=None: anchors are contrasts."""

    def objective(a_z, c_z, tau):
        anchors = a._replace(z=a_z)
        contrasts = anchors if c is None else c._replace(z=c_z)
        stats = row_stats(anchors, contrasts, tau=tau, want=want, impl=impl)
        return total(stats, weights(a.z.shape[0])), stats

    argnums = (0, 2) if c is None else (0, 1, 2)
    (value, stats), grads = jax.value_and_grad(objective, argnums, has_aux=True)(a.z, c and c.z, tau)
    return value, grads, stats


def assert_close(got, expected, rtol=2e-5, atol=2e-6):
    jax.tree.map(lambda g, e: np.testing.assert_allclose(g, e, rtol=rtol, atol=atol), got, expected)


CASES = {"same": (rows(29), None), "other": (rows(29), rows(21, seed=1))}


@pytest.mark.parametrize("impl", ["dense", "blockwise"])
@pytest.mark.parametrize("case", CASES)
def test_statistics_match_the_oracle(impl, case):
    a, c = CASES[case]
    stats = value_and_grads(a, c, impl=impl)[2]
    expected = oracle(a, a if c is None else c, TAU)
    for name in ALL:
        np.testing.assert_allclose(getattr(stats, name), expected[name], rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("impl", ["dense", "blockwise", "ring"])
def test_only_what_is_wanted_is_computed(impl):
    stats = row_stats(rows(9), rows(9), tau=TAU, want=("pos_count",), impl=impl)
    assert [name for name, value in stats._asdict().items() if value is not None] == ["pos_count"]


@pytest.mark.parametrize("want", [L_OUT, L_IN, ("pos_sum", "neg_lse")])
@pytest.mark.parametrize("case", CASES)
def test_blockwise_gradients_match_autodiff_of_dense(case, want, x64):
    a, c = (
        r and r._replace(z=r.z.astype(jnp.float64)) for r in (rows(24), None if case == "same" else rows(16))
    )
    expected = value_and_grads(a, c, want=want, impl="dense")
    assert expected[0].dtype == jnp.float64
    assert_close(value_and_grads(a, c, want=want, impl="blockwise"), expected, rtol=1e-10, atol=1e-12)


def test_gradient_of_dense_matches_finite_differences(x64):
    a = rows(9, dtype=jnp.float64)
    step = 1e-5 * np.random.default_rng(1).normal(size=a.z.shape)
    up, down = (value_and_grads(a._replace(z=a.z + sign * step), None, impl="dense")[0] for sign in (1, -1))
    slope = jnp.vdot(value_and_grads(a, None, impl="dense")[1][0], step)
    np.testing.assert_allclose(slope, (up - down) / 2, rtol=1e-6)


def sharded(tree, mesh):
    return jax.device_put(tree, batch_sharding(mesh))


@pytest.mark.parametrize(
    "impl, devices",
    [*[("blockwise", n) for n in (1, 2, 4, 8)], *[("ring", n) for n in (2, 4, 8)], ("dense", 8)],
)
@pytest.mark.parametrize("k, want", [(None, L_OUT), (24, ALL)])
def test_global_view_is_the_same_on_any_number_of_devices(impl, devices, k, want):
    a, c = rows(32), k and rows(k, seed=1)
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
            # No ring of unequal shards: the columns are gathered, as in blockwise.
            assert_close(value_and_grads(a, contrasts, want=L_IN, impl="ring"), expected)


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
    weight = weights(16)

    def local(a, c, tau, weight, want):
        contrasts = a if c is None else c
        return total(row_stats(a, contrasts, tau=tau, want=want, impl=impl, axis="data"), weight)[None]

    split, whole = P("data"), P()
    a = rows(16)
    for c, want in ((None, L_OUT), (rows(24, seed=1), ALL)):

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
def test_inside_shard_map_without_an_axis_the_rows_are_those_here(impl):
    a = rows(16)
    mesh = make_mesh(jax.devices()[:2])

    def local(a):
        return row_stats(a, a, tau=TAU, want=("lse",), impl=impl).lse

    with jax.set_mesh(mesh):
        lse = jax.jit(jax.shard_map(local, in_specs=P("data"), out_specs=P("data"), check_vma=False))(a)
    halves = [jax.tree.map(lambda x, h=h: x[h], a) for h in (slice(8), slice(8, 16))]
    np.testing.assert_allclose(lse, np.concatenate([oracle(h, h, TAU)["lse"] for h in halves]), rtol=1e-5)


@functools.partial(jax.jit, static_argnames=("impl", "same"))
def kl_and_grads(z, tau, ids=None, *, impl, same=False):
    """A weighted sum of `row_kl`, its gradients (four embeddings, two taus) and the values."""

    def objective(z, tau):
        ta, sa, tc, sc = z
        tc, sc = (ta, sa) if same else (tc, sc)
        kl = row_kl(Scores(ta, tc, tau[0]), Scores(sa, sc, tau[1]), rows=ids, impl=impl)
        return jnp.vdot(weights(len(kl)), kl), kl

    (value, kl), grads = jax.value_and_grad(objective, (0, 1), has_aux=True)(z, tau)
    return value, grads, kl


def kl_case(n, k, dtype=jnp.float32):
    shapes = [(n, 5), (n, 3), (k, 5), (k, 3)]
    z = [rows(length, seed=s, dim=dim, dtype=dtype).z for s, (length, dim) in enumerate(shapes)]
    return z, (jnp.asarray(0.2, dtype), jnp.asarray(0.4, dtype))


@pytest.mark.parametrize("keep_own", [True, False])
def test_row_kl_matches_the_oracle_and_autodiff(keep_own, x64):
    z, tau = kl_case(16, 24, jnp.float64)
    ids = None if keep_own else (rows(16).row, rows(24).row)
    expected = kl_and_grads(z, tau, ids, impl="dense")
    ta, sa, tc, sc = map(np.asarray, z)
    for i, kl in enumerate(expected[2]):
        kept = [j for j in range(24) if keep_own or not (ids[0][i] == ids[1][j] and ids[1][j] >= 0)]
        p, q = np.exp(tc[kept] @ ta[i] / 0.2), np.exp(sc[kept] @ sa[i] / 0.4)
        p, q = p / p.sum(), q / q.sum()
        np.testing.assert_allclose(kl, sum(p * np.log(p / q)), rtol=1e-9)
    assert_close(kl_and_grads(z, tau, ids, impl="blockwise"), expected, rtol=1e-9, atol=1e-12)
    ids = ids and (ids[0], ids[0])
    expected = kl_and_grads(z, tau, ids, impl="dense", same=True)
    assert_close(kl_and_grads(z, tau, ids, impl="blockwise", same=True), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("impl, devices", [("blockwise", 2), ("blockwise", 8), ("ring", 8), ("dense", 8)])
def test_row_kl_is_the_same_on_any_number_of_devices(impl, devices):
    z, tau = kl_case(16, 24)
    mesh = make_mesh(jax.devices()[:devices])
    for same in (False, True):
        expected = kl_and_grads(z, tau, impl="dense", same=same)
        with jax.set_mesh(mesh):
            assert_close(kl_and_grads(sharded(z, mesh), tau, impl=impl, same=same), expected)

    def local(ta, sa, tc, sc):
        return row_kl(Scores(ta, tc, 0.2), Scores(sa, sc, 0.4), impl=impl, axis="data")

    f = jax.shard_map(local, mesh=mesh, in_specs=(P("data"),) * 4, out_specs=P("data"))
    got = jax.jit(jax.value_and_grad(lambda *z: jnp.vdot(weights(16), f(*z)), (0, 1, 2, 3)))(*z)
    value, (dz, _), _ = kl_and_grads(z, tau, impl="dense")
    assert_close(got, (value, tuple(dz)))


DEGENERATE = {
    "no positives": lambda r: r._replace(group=jnp.arange(len(r.row))),
    "no groups": lambda r: r._replace(group=jnp.full_like(r.group, -1)),
    "one class": lambda r: r._replace(group=jnp.zeros_like(r.group)),
    "all identical": lambda r: r._replace(z=jnp.broadcast_to(r.z[:1], r.z.shape)),
    "all zero": lambda r: r._replace(z=jnp.zeros_like(r.z)),
    "one identity": lambda r: r._replace(row=jnp.zeros_like(r.row)),
    "one opposite": lambda r: r._replace(z=r.z.at[0].set(-r.z[1])),
}


@pytest.mark.parametrize("impl", ["dense", "blockwise"])
@pytest.mark.parametrize("case", DEGENERATE)
def test_degenerate_inputs_stay_finite(impl, case):
    r = DEGENERATE[case](rows(16))
    value, grads, stats = value_and_grads(r, None, 0.01, impl=impl)
    assert all(np.isfinite(x).all() for x in (value, *grads))
    expected = oracle(r, r, 0.01)
    for name in ALL:
        np.testing.assert_allclose(getattr(stats, name), expected[name], rtol=2e-5, atol=2e-4, err_msg=name)
    z, ids = (r.z, r.z, r.z, r.z), (r.row, r.row)
    value, grads, _ = kl_and_grads(z, (0.01, 0.02), ids, impl=impl, same=True)
    assert all(np.isfinite(x).all() for x in (value, *jax.tree.leaves(grads)))


@pytest.mark.parametrize("impl", ["dense", "blockwise"])
def test_bfloat16_is_computed_in_float32(impl):
    a, c = rows(24, dtype=jnp.bfloat16), rows(16, seed=1)
    for contrasts in (None, c):
        value, grads, _ = value_and_grads(a, contrasts, impl=impl)
        wide = a._replace(z=a.z.astype(jnp.float32))
        expected, wide_grads, _ = value_and_grads(wide, contrasts, impl="dense")
        assert value.dtype == jnp.float32 and grads[0].dtype == jnp.bfloat16
        np.testing.assert_allclose(value, expected, rtol=1e-5)
        np.testing.assert_allclose(grads[0].astype(jnp.float32), wide_grads[0], rtol=1e-2, atol=1e-3)


def test_class_sums_of_a_large_class_keep_their_precision():
    n = 20_000
    r = Rows(jnp.full((n, 3), 0.577, jnp.float32), jnp.arange(n), jnp.zeros(n, int))
    stats = jax.jit(lambda r: row_stats(r, r, tau=0.1, want=("pos_sum", "pos_count"), impl="blockwise"))(r)
    np.testing.assert_array_equal(stats.pos_count, n - 1)
    np.testing.assert_allclose(stats.pos_sum / stats.pos_count, 3 * np.float32(0.577) ** 2 / 0.1, rtol=1e-5)


def test_auto_takes_the_matrix_where_it_is_small_or_masked(monkeypatch):
    taken = []
    for module in (dense, blockwise):
        whole = module.row_stats
        monkeypatch.setattr(
            module,
            "row_stats",
            lambda *a, m=module, f=whole, **k: taken.append(m.__name__[-5:]) or f(*a, **k),
        )
    small, large = rows(16), rows(256)
    mask = PairMask(valid=jnp.ones((256, 256), bool))
    for anchors, given in ((small, None), (large, None), (large, mask)):
        row_stats(anchors, anchors, tau=TAU, mask=given)
    row_stats(large, rows(256), tau=TAU)
    assert taken == ["dense", "kwise", "dense", "dense"]


def test_a_mask_says_what_ids_cannot():
    def log(x):
        return np.where(x > 0, np.log(np.where(x > 0, x, 1)), LOWEST)

    a = rows(12)._replace(row=jnp.arange(12))
    rng = np.random.default_rng(0)
    valid, weight = rng.random((12, 12)) < 0.7, rng.random((12, 12)) * (rng.random((12, 12)) < 0.6)
    stats = row_stats(
        a, a, tau=TAU, want=ALL, mask=PairMask(jnp.asarray(valid), jnp.asarray(weight, jnp.float32))
    )
    s = np.asarray(a.z, np.float64) @ np.asarray(a.z, np.float64).T / TAU
    w = weight * valid
    np.testing.assert_allclose(stats.lse, log((valid * np.exp(s)).sum(1)), rtol=1e-5)
    np.testing.assert_allclose(stats.pos_sum, (w * s).sum(1), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(stats.pos_lse, log((w * np.exp(s)).sum(1)), rtol=1e-5)
    np.testing.assert_allclose(stats.neg_lse, log((valid * (w == 0) * np.exp(s)).sum(1)), rtol=1e-5)
    np.testing.assert_allclose(stats.pos_count, w.sum(1), rtol=1e-5)
    with pytest.raises(InputError, match="impl='dense'"):
        row_stats(a, a, tau=TAU, mask=PairMask(jnp.asarray(valid)), impl="blockwise")


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(want=("pos_summ",)), "did you mean 'pos_sum'"),
        (dict(impl="blockwize"), "did you mean 'blockwise'"),
        (dict(contrasts=rows(7, dim=4)), "dimension"),
        (dict(contrasts=rows(7)._replace(row=jnp.arange(6))), "row \\[n\\]"),
    ],
)
def test_bad_input_is_refused_with_a_sentence(change, message):
    arguments = dict(anchors=rows(7), contrasts=rows(7), tau=TAU) | change
    with pytest.raises(InputError, match=message):
        row_stats(**arguments)


def collectives(hlo):
    """(operation, number of elements moved) of every collective in a compiled program."""
    found = re.findall(r"= (.*?) (all-gather|all-reduce|reduce-scatter|all-to-all|collective-permute)", hlo)
    return [
        (name, int(np.prod([int(d) for d in dims.split(",") if d] or [1])))
        for shapes, name in found
        for dims in re.findall(r"\w+\[([\d,]*)\]", shapes)
    ]


@pytest.mark.parametrize("same, want", [(True, L_OUT), (False, L_IN)])
def test_blockwise_backward_moves_no_embeddings(same, want):
    n, dim = 64, 32
    a, c = rows(n, dim=dim), rows(n, seed=1, dim=dim)
    mesh = make_mesh()

    def objective(a_z, c_z):
        anchors = a._replace(z=a_z)
        contrasts = anchors if same else c._replace(z=c_z)
        return total(row_stats(anchors, contrasts, tau=TAU, want=want, impl="blockwise"), weights(n))

    with jax.set_mesh(mesh):
        z = sharded((a.z, c.z), mesh)
        forward = jax.jit(lambda *z: jax.vjp(objective, *z)).lower(*z).compile()
        _, pull = forward(*z)
        backward = jax.jit(lambda pull, g: pull(g)).lower(pull, jnp.float32(1)).compile()
    gathered = [name for name, size in collectives(forward.as_text()) if size >= n * dim]
    assert gathered == ["all-gather"] * (1 if same else 2)
    assert max(size for _, size in collectives(backward.as_text())) <= n


def test_ring_gathers_nothing():
    mesh = make_mesh()
    a = rows(64, dim=32)
    with jax.set_mesh(mesh):
        program = value_and_grads.lower(sharded(a, mesh), None, want=L_OUT, impl="ring").compile()
    moved = collectives(program.as_text())
    assert max(size for _, size in moved) <= 64 * 32 // 8
    assert "collective-permute" in {name for name, _ in moved}


def temporary_bytes(n):
    def loss(z):
        r = Rows(z, jnp.arange(n), jnp.arange(n) % 100)
        s = row_stats(r, r, tau=0.1, impl="blockwise")
        return jnp.mean(s.lse - s.pos_sum / s.pos_count)

    lowered = jax.jit(jax.value_and_grad(loss)).lower(jax.ShapeDtypeStruct((n, 128), jnp.float32))
    return lowered.compile().memory_analysis().temp_size_in_bytes


def test_memory_grows_linearly(monkeypatch):
    monkeypatch.setitem(sweep.TILE, "cpu", 1024)
    at_8k, at_16k, at_64k = (temporary_bytes(n) for n in (8192, 16384, 65536))
    per_row = (at_16k - at_8k) / 8192
    assert at_64k <= at_16k + 1.05 * per_row * (65536 - 16384)
    assert at_16k <= 0.1 * 16384**2 * 4


def test_contrasts_without_gradient_cost_none():
    def products(stop):
        def objective(a_z, c_z):
            c_z = jax.lax.stop_gradient(c_z) if stop else c_z
            anchors, contrasts = rows(64)._replace(z=a_z), rows(64, seed=1)._replace(z=c_z)
            return total(row_stats(anchors, contrasts, tau=TAU, impl="blockwise"), weights(64))

        z = jnp.ones((64, 5))
        hlo = jax.jit(jax.grad(objective, 0 if stop else (0, 1))).lower(z, z).compile().as_text()
        return len(re.findall(r" dot\(", hlo))

    # Forward S; backward S and dA; and, where asked for, S and dC.
    assert (products(stop=True), products(stop=False)) == (3, 5)
