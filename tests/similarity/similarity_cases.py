"""Rows to test with, the slow oracle, and the compiled functions that the tests of the similarity engine share."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from contrastive_jax.parallel.mesh import batch_sharding
from contrastive_jax.similarity import Rows, RowStats, Scores, row_kl, row_stats

ALL = RowStats._fields
L_OUT = ("lse", "pos_sum", "pos_count")
L_IN = ("lse", "pos_lse", "pos_count")
NEGATIVES = ("pos_sum", "neg_lse")
TAU = 0.3
LOWEST = float(np.finfo(np.float32).min)
# Most tests use these lengths, so that they share programs. Both make several tiles, on one device and on two.
N, K = 24, 16


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
    anchor_row, contrast_row = np.asarray(anchors.row), np.asarray(contrasts.row)
    anchor_group, contrast_group = np.asarray(anchors.group), np.asarray(contrasts.group)
    lists = {name: [] for name in ALL}
    for i in range(len(a)):
        valid, positive, negative = [], [], []
        for j in range(len(c)):
            if anchor_row[i] == contrast_row[j] and contrast_row[j] >= 0:
                continue
            s = float(a[i] @ c[j]) / tau
            same = anchor_group[i] == contrast_group[j] and contrast_group[j] != -1
            valid.append(s)
            (positive if same else negative).append(s)
        lists["lse"].append(np.logaddexp.reduce(valid))
        lists["pos_sum"].append(sum(positive))
        lists["pos_lse"].append(np.logaddexp.reduce(positive))
        lists["neg_lse"].append(np.logaddexp.reduce(negative))
        lists["pos_count"].append(len(positive))
    return {name: np.maximum(values, LOWEST) for name, values in lists.items()}


def weights(n):
    return jnp.cos(jnp.arange(n)) / n


def total(stats, weight):
    """One number in which every statistic of every anchor has a different weight."""
    values = [jnp.where(s > LOWEST / 2, s, 0) for s in stats if s is not None]
    return sum(jnp.vdot(weight + k, s) for k, s in enumerate(values))


def value_and_grads(a, c, tau=TAU, *, want=ALL, impl):
    """`total`, its gradients (anchors, contrasts, tau) and the statistics; c=None: anchors are contrasts."""
    return _value_and_grads(a, c, tau, want=want, impl=impl)


@functools.partial(jax.jit, static_argnames=("want", "impl"))
def _value_and_grads(a, c, tau, *, want, impl):
    def objective(a_z, c_z, tau):
        anchors = a._replace(z=a_z)
        contrasts = anchors if c is None else c._replace(z=c_z)
        stats = row_stats(anchors, contrasts, tau=tau, want=want, impl=impl)
        return total(stats, weights(a.z.shape[0])), stats

    argnums = (0, 2) if c is None else (0, 1, 2)
    (value, stats), grads = jax.value_and_grad(objective, argnums, has_aux=True)(a.z, c and c.z, tau)
    return value, grads, stats


def kl_case(n, k, dtype=jnp.float32):
    """Embeddings (teacher anchors, student anchors, teacher contrasts, student contrasts) and both taus."""
    shapes = [(n, 5), (n, 3), (k, 5), (k, 3)]
    z = [rows(length, seed=s, dim=dim, dtype=dtype).z for s, (length, dim) in enumerate(shapes)]
    return z, (jnp.asarray(0.2, dtype), jnp.asarray(0.4, dtype))


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


def sharded(tree, mesh):
    return jax.device_put(tree, batch_sharding(mesh))


def assert_close(got, expected, rtol=2e-5, atol=2e-6):
    jax.tree.map(lambda g, e: np.testing.assert_allclose(g, e, rtol=rtol, atol=atol), got, expected)
