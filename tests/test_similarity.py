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
from contrastive_jax.similarity import PairMask, Rows, RowStats, Scores, row_kl, row_stats, sweep

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


def total(stats):
    """One number in which every statistic of every anchor has its own weight."""
    n = next(len(s) for s in stats if s is not None)
    weight = jnp.cos(jnp.arange(n))
    values = [jnp.where(s > LOWEST / 2, s, 0) for s in stats if s is not None]
    return sum(jnp.vdot(weight + k, s) for k, s in enumerate(values)) / n


def objective(a_z, c_z, tau, a, c, want, impl, axis=None):
    """`total` of the statistics; without `c_z` the anchors are the contrasts."""
    anchors = a._replace(z=a_z)
    contrasts = anchors if c_z is None else c._replace(z=c_z)
    return total(row_stats(anchors, contrasts, tau=tau, want=want, impl=impl, axis=axis))


def value_and_grads(a, c, want, impl):
    f = functools.partial(objective, a=a, c=c, want=want, impl=impl)
    argnums = (0, 2) if c is None else (0, 1, 2)
    return jax.jit(jax.value_and_grad(f, argnums))(a.z, None if c is None else c.z, TAU)


def assert_close(got, expected, rtol=2e-5, atol=2e-6):
    jax.tree.map(lambda g, e: np.testing.assert_allclose(g, e, rtol=rtol, atol=atol), got, expected)


CASES = {"same": (rows(29), None), "other": (rows(29), rows(21, seed=1))}


@pytest.mark.parametrize("impl", ["dense", "blockwise", "ring"])
@pytest.mark.parametrize("case", CASES)
def test_statistics_match_the_oracle(impl, case):
    a, c = CASES[case]
    c = a if c is None else c
    stats = row_stats(a, c, tau=TAU, want=ALL, impl=impl)
    expected = oracle(a, c, TAU)
    for name in ALL:
        np.testing.assert_allclose(getattr(stats, name), expected[name], rtol=1e-5, atol=1e-5, err_msg=name)
    only = row_stats(a, c, tau=TAU, want=("pos_count",), impl=impl)
    assert only.lse is None and only.pos_sum is None
    np.testing.assert_array_equal(only.pos_count, expected["pos_count"])


@pytest.mark.parametrize("want", [ALL, L_OUT, L_IN, NEGATIVES, ("pos_sum",)])
@pytest.mark.parametrize("case", CASES)
def test_blockwise_gradients_match_autodiff_of_dense(case, want, x64):
    a, c = CASES[case]
    wide = lambda r: r and r._replace(z=r.z.astype(jnp.float64))
    a, c = wide(a), wide(c)
    expected = value_and_grads(a, c, want, "dense")
    assert expected[0].dtype == jnp.float64
    assert_close(value_and_grads(a, c, want, "blockwise"), expected, rtol=1e-10, atol=1e-12)


def test_gradient_of_dense_matches_finite_differences(x64):
    a = rows(9, dtype=jnp.float64)
    f = functools.partial(objective, c_z=None, tau=TAU, a=a, c=None, want=ALL, impl="dense")
    step = 1e-5 * np.random.default_rng(1).normal(size=a.z.shape)
    slope = (f(a.z + step) - f(a.z - step)) / 2
    np.testing.assert_allclose(jnp.vdot(jax.grad(f)(a.z), step), slope, rtol=1e-6)


def sharded(r, mesh):
    return r and jax.device_put(r, batch_sharding(mesh))


@pytest.mark.parametrize("devices", [1, 2, 4, 8])
@pytest.mark.parametrize("impl", ["dense", "blockwise", "ring"])
@pytest.mark.parametrize("n, k", [(32, None), (32, 24)])
def test_global_view_is_the_same_on_any_number_of_devices(devices, impl, n, k):
    a, c = rows(n), k and rows(k, seed=1)
    expected = value_and_grads(a, c, ALL, "dense")
    mesh = make_mesh(jax.devices()[:devices])
    with jax.set_mesh(mesh):
        got = value_and_grads(sharded(a, mesh), sharded(c, mesh), ALL, impl)
    assert_close(got, expected)


@pytest.mark.parametrize("impl", ["blockwise", "ring"])
def test_global_view_takes_lengths_that_the_mesh_does_not_divide(impl):
    a, c = rows(13), rows(11, seed=1)
    for contrasts in (None, c):
        expected = value_and_grads(a, contrasts, L_IN, "dense")
        with jax.set_mesh(make_mesh()):
            assert_close(value_and_grads(a, contrasts, L_IN, impl), expected)


def inside_shard_map(a, c, want, impl, mesh, check_vma, grad_inside):
    """Value and gradients with the engine called on one shard, its axis named."""
    n = a.z.shape[0]
    weight = jnp.cos(jnp.arange(n))

    def local(a, c, tau, weight):
        stats = row_stats(a, a if c is None else c, tau=tau, want=want, impl=impl, axis="data")
        values = [jnp.where(s > LOWEST / 2, s, 0) for s in stats if s is not None]
        return sum(jnp.vdot(weight + k, s) for k, s in enumerate(values))[None] / n

    shard = functools.partial(jax.shard_map, mesh=mesh, check_vma=check_vma)
    specs = (P("data"), P("data"), P(), P("data"))

    def f(a_z, c_z, tau):
        c_rows = c and c._replace(z=c_z)
        return jnp.sum(
            shard(local, in_specs=specs, out_specs=P("data"))(a._replace(z=a_z), c_rows, tau, weight)
        )

    if not grad_inside:
        argnums = (0, 2) if c is None else (0, 1, 2)
        return jax.jit(jax.value_and_grad(f, argnums))(a.z, c and c.z, jnp.float32(TAU))

    def slopes(a_z, a, weight):
        return jax.grad(lambda z: local(a._replace(z=z), None, TAU, weight)[0])(a_z)

    dz = jax.jit(shard(slopes, in_specs=(P("data"),) * 3, out_specs=P("data")))(a.z, a, weight)
    return f(a.z, None, TAU), (dz,)


@pytest.mark.parametrize("devices", [1, 2, 8])
@pytest.mark.parametrize("impl", ["dense", "blockwise", "ring"])
@pytest.mark.parametrize("check_vma", [True, False])
def test_inside_shard_map_is_the_same_as_the_global_view(devices, impl, check_vma):
    mesh = make_mesh(jax.devices()[:devices])
    a, c = rows(16), rows(24, seed=1)
    for contrasts, want in ((None, L_OUT), (c, ALL)):
        expected = value_and_grads(a, contrasts, want, "dense")
        assert_close(inside_shard_map(a, contrasts, want, impl, mesh, check_vma, False), expected)
    value, (dz, _) = value_and_grads(a, None, L_IN, "dense")
    assert_close(inside_shard_map(a, None, L_IN, impl, mesh, check_vma, True), (value, (dz,)))


def kl_objective(z, tau, ids, impl, same, axis=None):
    ta, sa, tc, sc = z
    tc, sc = (ta, sa) if same else (tc, sc)
    kl = row_kl(Scores(ta, tc, tau[0]), Scores(sa, sc, tau[1]), rows=ids, impl=impl, axis=axis)
    return jnp.vdot(jnp.cos(jnp.arange(len(kl))), kl)


def kl_case(n, k, dtype=jnp.float32):
    z = [rows(m, seed=s, dim=d, dtype=dtype).z for s, (m, d) in enumerate([(n, 5), (n, 3), (k, 5), (k, 3)])]
    return z, (jnp.asarray(0.2, dtype), jnp.asarray(0.4, dtype))


@pytest.mark.parametrize("keep_own", [True, False])
def test_row_kl_matches_the_oracle_and_autodiff(keep_own, x64):
    (ta, sa, tc, sc), tau = z, tau = kl_case(13, 21, jnp.float64)
    ids = None if keep_own else (rows(13).row, rows(21).row)
    kl = row_kl(Scores(ta, tc, 0.2), Scores(sa, sc, 0.4), rows=ids, impl="blockwise")
    for i in range(13):
        kept = [j for j in range(21) if keep_own or not (ids[0][i] == ids[1][j] and ids[1][j] >= 0)]
        p, q = np.exp(np.array(ta[i] @ tc.T)[kept] / 0.2), np.exp(np.array(sa[i] @ sc.T)[kept] / 0.4)
        p, q = p / p.sum(), q / q.sum()
        np.testing.assert_allclose(kl[i], sum(p * np.log(p / q)), rtol=1e-9)
    for same in (False, True):
        own = ids and (ids[0], ids[0] if same else ids[1])
        grads = [
            jax.value_and_grad(kl_objective, (0, 1))(z, tau, own, impl, same)
            for impl in ("dense", "blockwise")
        ]
        assert_close(grads[1], grads[0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("devices", [2, 8])
@pytest.mark.parametrize("impl", ["dense", "blockwise", "ring"])
def test_row_kl_is_the_same_on_any_number_of_devices(devices, impl):
    z, tau = kl_case(16, 24)
    mesh = make_mesh(jax.devices()[:devices])
    for same in (False, True):
        expected = jax.value_and_grad(kl_objective, (0, 1))(z, tau, None, "dense", same)
        with jax.set_mesh(mesh):
            f = jax.jit(
                jax.value_and_grad(functools.partial(kl_objective, ids=None, impl=impl, same=same), (0, 1))
            )
            assert_close(f(sharded(z, mesh), tau), expected)

    def local(ta, sa, tc, sc):
        return row_kl(Scores(ta, tc, 0.2), Scores(sa, sc, 0.4), impl=impl, axis="data")

    f = jax.shard_map(local, mesh=mesh, in_specs=(P("data"),) * 4, out_specs=P("data"))
    got = jax.jit(jax.value_and_grad(lambda *z: jnp.vdot(jnp.cos(jnp.arange(16)), f(*z)), (0, 1, 2, 3)))(*z)
    value, (dz, _) = jax.value_and_grad(kl_objective, (0, 1))(z, tau, None, "dense", False)
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
    r = DEGENERATE[case](rows(19))
    f = functools.partial(objective, c_z=None, a=r, c=None, want=ALL, impl=impl)
    value, dz = jax.value_and_grad(lambda z: f(z, tau=0.01))(r.z)
    assert np.isfinite(value) and np.isfinite(dz).all()
    expected = oracle(r, r, 0.01)
    stats = row_stats(r, r, tau=0.01, want=ALL, impl=impl)
    for name in ALL:
        np.testing.assert_allclose(getattr(stats, name), expected[name], rtol=2e-5, atol=2e-4, err_msg=name)
    z = (r.z, r.z, r.z, r.z)
    kl, dz = jax.value_and_grad(kl_objective)(z, (0.01, 0.02), (r.row, r.row), impl, True)
    assert np.isfinite(kl) and all(np.isfinite(d).all() for d in dz)


@pytest.mark.parametrize("impl", ["dense", "blockwise", "ring"])
def test_bfloat16_is_computed_in_float32(impl):
    a, c = rows(29, dtype=jnp.bfloat16), rows(21, seed=1)
    for contrasts in (None, c):
        value, grads = value_and_grads(a, contrasts, ALL, impl)
        wide = a._replace(z=a.z.astype(jnp.float32))
        expected, wide_grads = value_and_grads(wide, contrasts, ALL, "dense")
        assert value.dtype == jnp.float32 and grads[0].dtype == jnp.bfloat16
        np.testing.assert_allclose(value, expected, rtol=1e-5)
        np.testing.assert_allclose(grads[0].astype(jnp.float32), wide_grads[0], rtol=1e-2, atol=1e-3)


def test_a_mask_says_what_ids_cannot():
    a = rows(12)._replace(row=jnp.arange(12))
    rng = np.random.default_rng(0)
    valid, weight = rng.random((12, 12)) < 0.7, rng.random((12, 12)) * (rng.random((12, 12)) < 0.4)
    stats = row_stats(
        a, a, tau=TAU, want=ALL, mask=PairMask(jnp.asarray(valid), jnp.asarray(weight, jnp.float32))
    )
    s = np.asarray(a.z, np.float64) @ np.asarray(a.z, np.float64).T / TAU
    w = weight * valid
    np.testing.assert_allclose(stats.lse, np.log((valid * np.exp(s)).sum(1)), rtol=1e-5)
    np.testing.assert_allclose(stats.pos_sum, (w * s).sum(1), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(stats.pos_lse, np.log((w * np.exp(s)).sum(1)), rtol=1e-5)
    np.testing.assert_allclose(stats.neg_lse, np.log((valid * (w == 0) * np.exp(s)).sum(1)), rtol=1e-5)
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


@pytest.mark.parametrize("want", [L_OUT, L_IN])
@pytest.mark.parametrize("same", [True, False])
def test_blockwise_backward_moves_no_embeddings(want, same):
    n, dim = 64, 32
    a = rows(n, dim=dim)
    c = None if same else rows(n, seed=1, dim=dim)
    mesh = make_mesh()
    with jax.set_mesh(mesh):
        z = sharded((a.z, a.z if c is None else c.z), mesh)
        f = lambda a_z, c_z: objective(a_z, None if same else c_z, TAU, a, c, want, "blockwise")
        forward = jax.jit(lambda *z: jax.vjp(f, *z)).lower(*z).compile()
        _, pull = forward(*z)
        backward = jax.jit(lambda pull, g: pull(g)).lower(pull, jnp.float32(1)).compile()
    gathered = [name for name, size in collectives(forward.as_text()) if size >= n * dim]
    assert gathered == ["all-gather"] * (1 if same else 2)
    assert all(size <= n for _, size in collectives(backward.as_text()))


def test_ring_gathers_nothing():
    mesh = make_mesh()
    a = rows(64, dim=32)
    with jax.set_mesh(mesh):
        f = jax.jit(jax.grad(lambda z: objective(z, None, TAU, a, None, L_OUT, "ring")))
        moved = collectives(f.lower(sharded(a.z, mesh)).compile().as_text())
    assert max(size for _, size in moved) <= 64 * 32 // 8
    assert "collective-permute" in {name for name, _ in moved}


def temporary_bytes(n, dtype):
    def f(z):
        r = Rows(z, jnp.arange(n), jnp.arange(n) % 100)
        s = row_stats(r, r, tau=0.1, impl="blockwise")
        return jnp.mean(s.lse - s.pos_sum / s.pos_count)

    lowered = jax.jit(jax.value_and_grad(f)).lower(jax.ShapeDtypeStruct((n, 128), dtype))
    return lowered.compile().memory_analysis().temp_size_in_bytes


def test_memory_grows_linearly(monkeypatch):
    monkeypatch.setitem(sweep.TILE, "cpu", 1024)
    at_8k, at_16k, at_64k = (temporary_bytes(n, jnp.float32) for n in (8192, 16384, 65536))
    per_row = (at_16k - at_8k) / 8192
    assert at_64k <= at_16k + 1.05 * per_row * (65536 - 16384)
    assert at_16k <= 0.1 * 16384**2 * 4


def test_contrasts_without_gradient_cost_none():
    def flops(stop):
        def f(a_z, c_z):
            c_z = jax.lax.stop_gradient(c_z) if stop else c_z
            return objective(a_z, c_z, TAU, rows(64), rows(64, seed=1), L_OUT, "blockwise")

        z = jnp.ones((64, 5))
        hlo = jax.jit(jax.grad(f, 0 if stop else (0, 1))).lower(z, z).compile().as_text()
        return len(re.findall(r" dot\(|__onednn\$matmul|custom_call_target=\"__", hlo))

    assert flops(stop=True) < flops(stop=False)
