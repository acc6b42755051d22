"""Losses that must coincide, vanish or bound one another."""

import jax
import jax.numpy as jnp
import numpy as np
import oracles as o
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from contrastive_jax import losses
from contrastive_jax.losses import variants

TAU = 0.2
LABEL = jnp.array([0, 0, 1, 1, 1, 2])


@pytest.fixture
def z(x64):
    return jnp.asarray(o.unit(np.random.default_rng(0).normal(size=(6, 2, 3, 5))))


def same(pairs, z):
    """Both sides of every pair are equal; one compilation for all."""
    fast = {"xla_backend_optimization_level": 0}
    for ours, expected in jax.jit(pairs, compiler_options=fast)(z):
        np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-14)


def test_selfcon_with_one_exit_is_supcon(z):
    def pairs(z):
        one, first = z[:, :, :1], z[:, :1, 0]
        yield losses.selfcon_s(first, LABEL, tau=TAU), losses.supcon(first, LABEL, tau=TAU)
        joint = losses.selfcon_m_joint(one, LABEL, tau=TAU)[:, :, 0]
        yield joint, losses.supcon(one[:, :, 0], LABEL, tau=TAU)

    same(lambda z: list(pairs(z)), z)


def test_selfcon_without_weight_is_its_backbone(z):
    def pairs(z):
        m, mu = losses.selfcon_m(z, LABEL, tau=TAU).weighted(0.0), losses.selfcon_mu(z, tau=TAU).weighted(0.0)
        return [
            (m, losses.supcon(z[:, :, -1], LABEL, tau=TAU)),
            (mu, losses.nt_xent(z[:, :, -1], tau=TAU)),
        ]

    same(pairs, z)


def test_mcl_with_one_network_is_vcl(z):
    def pairs(z):
        v = z[:, 0, 0]
        alone = losses.vcl([v], LABEL, tau=TAU)
        yield alone, losses.supcon(v[:, None], LABEL, tau=TAU)[:, 0]
        # Two equal networks: each sees in the other what it sees in itself, and has nothing to learn softly.
        yield losses.icl([v, v], LABEL, tau=TAU), 2 * alone
        for soft in (losses.soft_vcl, losses.soft_icl, variants.soft_vcl_paper, variants.soft_icl_paper):
            yield soft([v, v], tau=TAU), jnp.zeros(6)

    same(lambda z: list(pairs(z)), z)


def test_decoupled_paper_form_with_lambda_tau_is_nt_xent(z):
    def pairs(z):
        decoupled = losses.decoupled_nt_xent_paper(z[:, :, 0], tau=TAU).weighted(TAU)
        return [(decoupled, TAU * jnp.mean(losses.nt_xent(z[:, :, 0], tau=TAU), axis=1))]

    same(pairs, z)


def test_swd_of_a_set_with_itself_is_zero(z):
    def pairs(z):
        x, w = z[:, 0, 0], losses.directions(jax.random.key(0), 5)
        turned = [(losses.sliced_wasserstein(x, y, w), jnp.zeros(5)) for y in (x, x[::-1])]
        return [*turned, (jnp.min(losses.sliced_wasserstein(x, -x, w)) > 0, True)]

    same(pairs, z)


def test_moco_v3_is_the_layer_loss_of_one_layer(z):
    def pairs(z):
        q, k = z[:, 0, 0], z[:, 1, 0]
        one = losses.layers_contrastive(q[:, None], k, tau=TAU)[:, 0]
        return [(losses.moco_v3(q, k, tau=TAU), one)]

    same(pairs, z)


def test_moco_with_every_other_key_queued_is_moco_v3(z):
    def pairs(z):
        q, k = z[:, 0, 0], z[:, 1, 0]
        return [(losses.moco(q[:1], k[:1], k[1:], tau=TAU), losses.moco_v3(q, k, tau=TAU)[:1])]

    same(pairs, z)


def test_sd_simclr_without_weight_is_nt_xent(z):
    def pairs(z):
        return [(losses.sd_simclr(z, tau=TAU).weighted(0.0), losses.nt_xent(z[:, :, -1], tau=TAU))]

    same(pairs, z)


def test_self_distillation_forms_differ_by_the_teachers_entropy(z):
    def pairs(z):
        teacher, student = 3 * z[:, 0, 0], 3 * z[:, 1, 0]
        entropy = losses.soft_cross_entropy(teacher, teacher, soft=2.0)
        kl = losses.posterior_kl(teacher, student, soft=2.0)
        yield losses.soft_cross_entropy(teacher, student, soft=2.0), kl + entropy
        yield losses.posterior_kl(teacher, teacher, soft=2.0), jnp.zeros(6)

    same(lambda z: list(pairs(z)), z)


def equal(a, b):
    np.testing.assert_allclose(a, b, rtol=1e-6)


def test_one_stage_adds_weighted_terms_of_every_sub_network():
    ones = jnp.ones(3)
    equal(losses.one_stage(ones, [[2 * ones, 3 * ones]] * 2, weights=(0.5, 10.0)), 63 * ones)
    equal(losses.feature_form(ones, 2 * ones, beta=0.8), 2.6 * ones)
    equal(losses.logit_form(ones, 3 * ones, beta=0.25), 2.5 * ones)
    equal(losses.norm_scaled(ones, jnp.full((3, 4), 2.0)), 4 * ones)


def test_sd_byol_first_step_takes_all_layers():
    layers, predictions = jnp.arange(6.0).reshape(2, 3), jnp.ones((2, 3))
    equal(variants.sd_byol_first_step(layers, predictions), jnp.array([1.0, 4.0]) + 3)
    equal(
        losses.SDTerms.of_layers(layers, predictions).weighted(alpha=0.5, beta=2.0),
        jnp.array([2.25, 6.75]) + 6,
    )


def test_means_over_anchors_are_global():
    """Sharded, with anchors that drop out unevenly: a mean of local means would differ."""
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    place = NamedSharding(mesh, PartitionSpec("data"))
    label = np.array([0] * 5 + list(range(1, 12)))
    loss = np.where(label[:, None] == 0, [[1.0, 3.0]], 0.0).astype(np.float32)
    label_there, loss_there = jax.device_put(label, place), jax.device_put(loss, place)
    has = jax.jit(losses.has_positive)(label_there)
    np.testing.assert_array_equal(has, label == 0)
    assert float(jax.jit(losses.mean_drop)(loss_there, has)) == pytest.approx(2.0)
    assert float(jax.jit(losses.mean_keep)(loss_there)) == pytest.approx(2.0 * 5 / 16)
    assert float(jax.jit(losses.share_with_positives)(label_there)) == pytest.approx(5 / 16)
    assert losses.has_positive(label_there, copies=2).all()


def test_mean_drop_without_any_anchor_is_zero():
    value, gradient = jax.value_and_grad(losses.mean_drop)(jnp.ones(4), jnp.zeros(4, bool))
    assert value == 0 and not gradient.any()


@pytest.mark.parametrize("classes", [1, 3, 50])
@pytest.mark.parametrize("n", [1, 2, 7, 30])
def test_who_has_a_positive_is_who_shares_a_label(n, classes):
    label = np.random.default_rng(n * classes).integers(-1, classes, n)
    expected = np.sum(label[:, None] == label[None, :], axis=1) > 1
    np.testing.assert_array_equal(losses.has_positive(jnp.asarray(label)), expected)
    assert float(losses.share_with_positives(jnp.asarray(label))) == pytest.approx(expected.mean())
    assert float(losses.share_with_positives(jnp.asarray(label), copies=2)) == 1
