"""SupCon's closed forms, bounds and special cases, and the constants of its authors' unit test."""

import jax
import jax.numpy as jnp
import numpy as np
import oracles as o
import pytest
from jax import lax

from contrastive_jax import losses
from contrastive_jax.errors import InputError
from contrastive_jax.losses import variants
from contrastive_jax.similarity import Rows, l_in, l_out

TAU = 0.2
LABEL = np.array([0, 0, 1, 1, 1, 2])


@pytest.fixture
def z(x64):
    return jnp.asarray(o.unit(np.random.default_rng(0).normal(size=(6, 2, 5))))


def anchor_gradient(formula, anchors, rows):
    """Gradient of each anchor's loss in that anchor alone, as Eq. 4 takes it."""
    contrasts = lax.stop_gradient(rows)
    return jax.jit(jax.grad(lambda a: jnp.sum(formula(rows._replace(z=anchors(a)), contrasts, tau=TAU))))


def run(loss, *arrays, **hyper):
    """Compiled: one compilation costs less than many small ones."""
    return jax.jit(lambda *a: loss(*a, **hyper))(*arrays)


def equation_4(z, label, inside):
    """`(1/tau) { sum_P z_p (P_ip - X_ip) + sum_N z_n P_in }` with X_ip of Eq. 5."""
    out = np.zeros_like(z)
    for i in range(len(z)):
        others = [a for a in range(len(z)) if a != i]
        share = {a: np.exp(z[i] @ z[a] / TAU) for a in others}
        total, positives = sum(share.values()), [a for a in others if label[a] == label[i]]
        for a in others:
            out[i] += z[a] * share[a] / total / TAU
        for p in positives:
            x = share[p] / sum(share[q] for q in positives) if inside else 1 / len(positives)
            out[i] -= z[p] * x / TAU
    return out


@pytest.mark.parametrize("formula, inside", [(l_out, False), (l_in, True)])
def test_gradient_is_equation_4(z, formula, inside):
    rows = Rows.of_views(z, jnp.asarray(LABEL))
    ours = anchor_gradient(formula, lambda a: a, rows)(rows.z)
    expected = equation_4(np.asarray(rows.z), np.asarray(rows.group), inside)
    np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-11)


def test_gradient_through_normalisation_is_equation_18(z):
    """`(I - z z^T) / |w|` times Eq. 4: an easy positive or negative adds next to nothing."""
    scale = jnp.linspace(0.5, 3, 12)[:, None]
    rows = Rows.of_views(z, jnp.asarray(LABEL))
    w = rows.z * scale
    ours = anchor_gradient(l_out, losses.l2_normalize, rows)(w)
    inner = equation_4(np.asarray(rows.z), np.asarray(rows.group), inside=False)
    along = np.sum(inner * np.asarray(rows.z), axis=1, keepdims=True) * np.asarray(rows.z)
    np.testing.assert_allclose(ours, (inner - along) / np.asarray(scale), rtol=1e-9, atol=1e-11)


def test_l_in_is_never_above_l_out(z):
    low, high = (run(f, z, jnp.asarray(LABEL), tau=TAU) for f in (losses.supcon_in, losses.supcon))
    assert (low <= high + 1e-12).all() and (low[:2] < high[:2] - 1e-6).any()


def test_unique_labels_are_nt_xent(z):
    alone = run(losses.supcon, z, jnp.arange(6), tau=TAU)
    np.testing.assert_allclose(alone, run(losses.nt_xent, z, tau=TAU), rtol=1e-12)
    np.testing.assert_allclose(alone, run(losses.supcon_in, z, jnp.arange(6), tau=TAU), rtol=1e-12)


def test_forms_of_the_same_loss(z):
    """Mask of equal labels, one-hot label sets, an empty bank, a cap that caps nothing, the first view."""
    label = jnp.asarray(LABEL)
    expected = run(losses.supcon, z, label, tau=TAU)
    same = label[:, None] == label[None, :]
    forms = {
        "masked": run(variants.supcon_masked, z, same, tau=TAU),
        "multilabel": run(variants.supcon_multilabel, z, jax.nn.one_hot(label, 3), tau=TAU),
        "bank": run(losses.supcon_bank, z, label, jnp.zeros((0, 5)), jnp.zeros(0, int), tau=TAU),
        "capped": run(variants.supcon_capped, z, label, tau=TAU, cap=100),
    }
    for name, value in forms.items():
        np.testing.assert_allclose(value, expected, rtol=1e-12, err_msg=name)
    np.testing.assert_allclose(run(variants.supcon_one, z, label, tau=TAU)[:, 0], expected[:, 0], rtol=1e-12)


def test_a_cap_of_zero_keeps_the_other_views(z):
    """Cap 0 of L_out is NT-Xent without the class's other samples among the negatives."""
    capped = run(variants.supcon_capped, z, jnp.arange(6), tau=TAU, cap=0)
    np.testing.assert_allclose(capped, run(losses.nt_xent, z, tau=TAU), rtol=1e-12)


def test_n_pairs_of_pairs_is_supcon(z):
    label = jnp.array([0, 1, 2, 0, 1, 2])
    ours = run(losses.n_pairs, z[:, :1], label, tau=TAU)
    np.testing.assert_allclose(ours, run(losses.supcon, z[:, :1], label, tau=TAU), rtol=1e-12)


def test_triplet_is_supcon_of_three(z):
    a, p, n = z[0, 0], z[1, 0], z[2, 0]
    three = run(losses.supcon, jnp.stack([a, p, n])[:, None], jnp.array([0, 0, 1]), tau=TAU)
    ours = run(losses.triplet, a[None], p[None], n[None], tau=TAU)
    np.testing.assert_allclose(ours[0], three[0, 0], rtol=1e-12)


def test_bank_entries_without_label_are_negatives(z):
    label, bank = jnp.asarray(LABEL), z[:, 0]
    with_none = run(losses.supcon_bank, z, label, bank, jnp.full(6, -1), tau=TAU)
    with_other = run(losses.supcon_bank, z, label, bank, jnp.full(6, 99), tau=TAU)
    np.testing.assert_allclose(with_none, with_other, rtol=1e-12)
    assert (with_none > run(losses.supcon, z, label, tau=TAU)).all()


def test_a_cap_between_views_is_refused(z):
    with pytest.raises(InputError, match="multiple of the 2 views"):
        run(variants.supcon_capped, z, jnp.asarray(LABEL), tau=TAU, cap=3)


def test_margin_one_is_cross_entropy(z):
    x, weight, label = z[:, 0], z[:4, 1], jnp.asarray(LABEL)
    plain = run(losses.cross_entropy, x @ weight.T, label)
    for blend in (0.0, 2.0):
        ours = run(losses.large_margin_softmax, x, weight, label, margin=1, blend=blend)
        np.testing.assert_allclose(ours, plain, rtol=1e-12)
    wide = run(losses.large_margin_softmax, x, weight, label, margin=3)
    assert (wide > plain).all()


def test_a_margin_below_one_is_refused(z):
    with pytest.raises(InputError, match="margin is 0"):
        run(losses.large_margin_softmax, z[:, 0], z[:4, 1], jnp.asarray(LABEL), margin=0)


# google-research supcon/losses_test.py, testLossForSummationLocationsAndDenominatorModes: tau 1, 7 digits.
FEATURES = [[[0.01, 0.02, 0.14], [0.38, 0.61, 0.50]], [[0.86, 0.97, 0.33], [0.26, 0.68, 0.45]]]
FEATURES += [[[0.32, 0.64, 0.28], [0.45, 0.74, 0.73]]]
AUTHORS = [
    ("supcon_capped", -1, (0, 0, 1), (1.6755852, 1.7973773, 1.58471)),
    ("supcon_one_positive", -1, (0, 0, 1), (1.1782627, 1.3435497, 1.58471)),
    ("supcon_only_negatives", -1, (0, 0, 1), (0.79652834, 1.0154991, 1.3529458)),
    ("supcon_capped", 4, (0, 0, 1), (1.6755852, 1.7973773, 1.58471)),
    ("supcon_capped", 2, (0, 0, 0), (1.1385298, 1.1824025, 1.1557417)),
    ("supcon_capped", 0, (0, 0, 1), (1.3769293, 1.0785717, 1.58471)),
    ("supcon_in_capped", -1, (0, 0, 1), (1.6356678, 1.7135872, 1.58471)),
    ("supcon_in_one_positive", -1, (0, 0, 1), (1.1571673, 1.2941568, 1.58471)),
    ("supcon_in_only_negatives", -1, (0, 0, 1), (0.756611, 0.93170905, 1.3529458)),
    ("supcon_in_capped", 4, (0, 0, 1), (1.6356678, 1.7135872, 1.58471)),
    ("supcon_in_capped", 2, (0, 0, 0), (1.0986123, 1.0986123, 1.0986123)),
    ("supcon_in_capped", 0, (0, 0, 1), (1.3769293, 1.0785717, 1.58471)),
]


@pytest.mark.parametrize("name, cap, label, expected", AUTHORS)
def test_constants_of_the_authors(name, cap, label, expected):
    loss = run(getattr(variants, name), jnp.array(FEATURES), jnp.array(label), tau=1.0, cap=cap)
    np.testing.assert_allclose(jnp.mean(loss, axis=1), expected, rtol=1e-5)
