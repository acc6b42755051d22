"""The metrics beside a contrastive loss, against loops over pairs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from contrastive_jax import losses
from contrastive_jax.similarity import Rows


def rows(seed, n, classes, *, dim=5, named=True):
    random = np.random.default_rng(seed)
    z = random.normal(size=(n, dim)).astype(np.float32)
    row = np.arange(n) if named else np.full(n, -1)
    return Rows(jnp.asarray(z), jnp.asarray(row), jnp.asarray(random.integers(-1, classes, n)))


def by_loops(anchors, contrasts, limit=256):
    hits = []
    for a in range(min(limit, len(anchors.row))):
        order = sorted(range(len(contrasts.row)), key=lambda c: -float(anchors.z[a] @ contrasts.z[c]))
        valid = [c for c in order if contrasts.row[c] < 0 or contrasts.row[c] != anchors.row[a]]
        hits.append(anchors.group[a] >= 0 and contrasts.group[valid[0]] == anchors.group[a])
    return np.mean(hits)


@pytest.mark.parametrize("named", [True, False])
def test_top1_is_the_share_of_nearest_contrasts_that_are_positive(named):
    batch, queue = rows(0, 40, 3), rows(1, 30, 3, named=False)
    everything = Rows(*(jnp.concatenate(pair) for pair in zip(batch, queue)))
    anchors = batch if named else batch._replace(row=-1 + 0 * batch.row)
    found = by_loops(*(Rows(*map(np.asarray, rows)) for rows in (anchors, everything)))
    assert losses.contrastive_top1(anchors, everything) == pytest.approx(found)
    assert 0 < found < 1


def test_top1_looks_at_no_more_than_256_anchors():
    batch = rows(2, 300, 4)
    found = losses.contrastive_top1(batch, batch)
    assert found == pytest.approx(by_loops(*[Rows(*map(np.asarray, batch))] * 2))
    tail_changed = batch._replace(group=batch.group.at[256:].set(7), z=batch.z.at[256:].set(0.0))
    first = Rows(*(part[:256] for part in batch))
    assert losses.contrastive_top1(tail_changed, first) == losses.contrastive_top1(first, first)


def test_top1_of_equal_embeddings_is_0_and_of_a_batch_of_one_class_1():
    batch = rows(3, 12, 3)
    assert (
        losses.contrastive_top1(batch._replace(z=jnp.ones_like(batch.z)), batch._replace(z=batch.z * 0)) == 0
    )
    one_class = batch._replace(group=jnp.zeros(12, jnp.int32))
    assert losses.contrastive_top1(one_class, one_class) == 1


def test_bound_of_a_collapsed_encoder_is_0_and_of_a_perfect_one_positive():
    label = jnp.arange(8)
    equal, apart = jnp.ones((8, 2, 4)), jnp.repeat(jnp.eye(8)[:, None], 2, axis=1)
    bounds = [
        losses.infonce_bound(jnp.mean(losses.supcon(losses.l2_normalize(z), label, tau=0.1)), contrasts=15)
        for z in (equal, apart)
    ]
    np.testing.assert_allclose(bounds[0], 0, atol=1e-5)
    assert np.log(15) - 0.1 < bounds[1] <= np.log(15)


def test_metrics_carry_no_gradient():
    batch = rows(4, 10, 2)

    def total(z):
        with_z = batch._replace(z=z)
        return losses.contrastive_top1(with_z, with_z) + losses.infonce_bound(jnp.sum(z), 9)

    assert not np.any(jax.grad(total)(batch.z))
