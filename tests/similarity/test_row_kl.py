"""KL between the row softmaxes of two matrices, on one device and on several."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P
from similarity_cases import K, N, assert_close, kl_and_grads, kl_case, rows, sharded, weights

from contrastive_jax.parallel.mesh import make_mesh
from contrastive_jax.similarity import Scores, row_kl


@pytest.mark.parametrize("keep_own", [True, False])
def test_row_kl_matches_the_oracle_and_autodiff(keep_own, x64):
    z, tau = kl_case(N, K, jnp.float64)
    ids = None if keep_own else (rows(N).row, rows(K).row)
    expected = kl_and_grads(z, tau, ids, impl="dense")
    ta, sa, tc, sc = map(np.asarray, z)
    for i, kl in enumerate(expected[2]):
        kept = [j for j in range(K) if keep_own or not (ids[0][i] == ids[1][j] and ids[1][j] >= 0)]
        p, q = np.exp(tc[kept] @ ta[i] / 0.2), np.exp(sc[kept] @ sa[i] / 0.4)
        p, q = p / p.sum(), q / q.sum()
        np.testing.assert_allclose(kl, sum(p * np.log(p / q)), rtol=1e-9)
    assert_close(kl_and_grads(z, tau, ids, impl="blockwise"), expected, rtol=1e-9, atol=1e-12)
    ids = ids and (ids[0], ids[0])
    expected = kl_and_grads(z, tau, ids, impl="dense", same=True)
    assert_close(kl_and_grads(z, tau, ids, impl="blockwise", same=True), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("impl, devices", [("blockwise", 2), ("blockwise", 8), ("ring", 8), ("dense", 8)])
def test_row_kl_is_the_same_on_any_number_of_devices(impl, devices):
    z, tau = kl_case(N, K)
    mesh = make_mesh(jax.devices()[:devices])
    for same in (False, True):
        expected = kl_and_grads(z, tau, impl="dense", same=same)
        with jax.set_mesh(mesh):
            assert_close(kl_and_grads(sharded(z, mesh), tau, impl=impl, same=same), expected)

    def local(ta, sa, tc, sc):
        return row_kl(Scores(ta, tc, 0.2), Scores(sa, sc, 0.4), impl=impl, axis="data")

    f = jax.shard_map(local, mesh=mesh, in_specs=(P("data"),) * 4, out_specs=P("data"))
    got = jax.jit(jax.value_and_grad(lambda *z: jnp.vdot(weights(N), f(*z)), (0, 1, 2, 3)))(*z)
    value, (dz, _), _ = kl_and_grads(z, tau, impl="dense")
    assert_close(got, (value, tuple(dz)))
