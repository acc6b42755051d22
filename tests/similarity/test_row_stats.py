"""Row statistics on one device: the oracle, autodiff of the whole matrix, degenerate input, masks, bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AbstractDevice, AbstractMesh, AxisType
from similarity_cases import (
    ALL,
    L_IN,
    L_OUT,
    LOWEST,
    NEGATIVES,
    TAU,
    K,
    N,
    assert_close,
    kl_and_grads,
    oracle,
    rows,
    value_and_grads,
)

from contrastive_jax.errors import InputError
from contrastive_jax.similarity import PairMask, Rows, dense, row_stats, streamed_stats
from contrastive_jax.similarity.sweep import TILE_ELSEWHERE, tile_size

# Lengths that tiles of 8 do not divide.
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
def test_statistics_that_are_not_wanted_are_none(impl):
    stats = jax.eval_shape(
        lambda a, c: row_stats(a, c, tau=TAU, want=("pos_count",), impl=impl), rows(9), rows(9)
    )
    assert [name for name, value in stats._asdict().items() if value is not None] == ["pos_count"]


@pytest.mark.parametrize("want", [L_OUT, L_IN, NEGATIVES])
@pytest.mark.parametrize("same", [True, False])
def test_blockwise_gradients_match_autodiff_of_dense(same, want, x64):
    a, c = rows(N, dtype=jnp.float64), None if same else rows(K, dtype=jnp.float64)
    expected = value_and_grads(a, c, want=want, impl="dense")
    assert expected[0].dtype == jnp.float64
    assert_close(value_and_grads(a, c, want=want, impl="blockwise"), expected, rtol=1e-10, atol=1e-12)


def test_gradient_of_dense_matches_finite_differences(x64):
    a = rows(9, dtype=jnp.float64)
    step = 1e-5 * np.random.default_rng(1).normal(size=a.z.shape)
    up, down = (value_and_grads(a._replace(z=a.z + sign * step), None, impl="dense")[0] for sign in (1, -1))
    slope = jnp.vdot(value_and_grads(a, None, impl="dense")[1][0], step)
    np.testing.assert_allclose(slope, (up - down) / 2, rtol=1e-6)


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
    r = DEGENERATE[case](rows(N))
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
    a, c = rows(N, dtype=jnp.bfloat16), rows(K, seed=1)
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

    def record(impl, whole):
        return lambda *args, **kwargs: taken.append(impl) or whole(*args, **kwargs)

    for impl, module in (("dense", dense), ("blockwise", streamed_stats)):
        monkeypatch.setattr(module, "row_stats", record(impl, module.row_stats))
    small, large = rows(16), rows(256)
    mask = PairMask(valid=jnp.ones((256, 256), bool))
    for anchors, given in ((small, None), (large, None), (large, mask)):
        jax.eval_shape(lambda a, m: row_stats(a, a, tau=TAU, mask=m), anchors, given)
    jax.eval_shape(lambda a, c: row_stats(a, c, tau=TAU), large, rows(256))
    assert taken == ["dense", "blockwise", "dense", "dense"]
    with programs_for("gpu"):
        assert tile_size() == TILE_ELSEWHERE
        jax.eval_shape(lambda a: row_stats(a, a, tau=TAU), large)
    assert taken[4:] == ["dense"], (
        "the sizes are those of the devices that the program is for, not of this machine"
    )


def programs_for(platform):
    """As if the mesh had one device of that platform."""
    device = AbstractDevice(device_kind="", num_cores=None, platform=platform)
    mesh = AbstractMesh((1,), ("data",), axis_types=(AxisType.Auto,), abstract_device=device)
    return jax.sharding.use_abstract_mesh(mesh)


def test_a_mask_expresses_pairs_that_ids_cannot():
    def log(x):
        return np.where(x > 0, np.log(np.where(x > 0, x, 1)), LOWEST)

    a = rows(12)._replace(row=jnp.arange(12))
    rng = np.random.default_rng(0)
    valid, weight = rng.random((12, 12)) < 0.7, rng.random((12, 12)) * (rng.random((12, 12)) < 0.6)
    mask = PairMask(jnp.asarray(valid), jnp.asarray(weight, jnp.float32))
    stats = jax.jit(lambda a, mask: row_stats(a, a, tau=TAU, want=ALL, mask=mask))(a, mask)
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
