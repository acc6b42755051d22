"""The generalized contrastive methods on made embeddings: their members' identities, and the priors' draws."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from contrastive_jax.errors import InputError
from contrastive_jax.losses import l2_normalize
from contrastive_jax.methods.generalized import (
    PRIORS,
    IntriguingDecoupled,
    IntriguingDecoupledPaper,
    IntriguingNTXent,
    IntriguingSWD,
    SimCLR,
)
from contrastive_jax.models.heads import ProjectionHead
from contrastive_jax.models.resnet import ResNet

PARTS = {"encoder": ResNet(depth=8, width=4), "head": ProjectionHead(dim=8)}


def embeddings(samples=32, dim=8):
    """Two similar views of every sample."""
    first, noise = jax.random.normal(jax.random.key(0), (2, samples, dim))
    return jnp.stack([first, first + 0.5 * noise], axis=1)


@functools.partial(jax.jit, static_argnums=0)
def run(method, z, key):
    """Loss, gradient and metrics of a method for projections `z`."""

    def loss(z):
        found, _, metrics = method.loss({"final": z}, (), {}, jnp.asarray(0), key)
        return found, metrics

    (value, metrics), gradient = jax.value_and_grad(loss, has_aux=True)(z)
    return value, gradient, metrics


def test_nt_xent_is_simclrs_loss_in_two_terms():
    z, key = l2_normalize(embeddings()), jax.random.key(0)
    ours = run(IntriguingNTXent(**PARTS, tau=0.3, loss_scale=2.0), z, key)
    theirs = run(SimCLR(**PARTS, tau=0.3, loss_scale=2.0), z, key)
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-5)
    np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-4, atol=1e-6)
    terms = ours[2]["loss_align"] + 0.3 * ours[2]["loss_match"]
    np.testing.assert_allclose(ours[0], 2 * terms / 0.3, rtol=1e-5)
    for name in ("contrastive_top1", "infonce_bound"):
        np.testing.assert_allclose(ours[2][name], theirs[2][name], rtol=1e-5)


def test_the_papers_decoupled_form_is_nt_xent_where_lambda_is_tau():
    z, key = l2_normalize(embeddings()), jax.random.key(0)
    decoupled = run(IntriguingDecoupledPaper(**PARTS, tau=0.3, lam=0.3), z, key)
    coupled = run(SimCLR(**PARTS, tau=0.3), z, key)
    np.testing.assert_allclose(decoupled[0], 0.3 * coupled[0], rtol=1e-5)
    np.testing.assert_allclose(decoupled[1], 0.3 * coupled[1], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("cls", [IntriguingDecoupled, IntriguingDecoupledPaper, IntriguingSWD])
def test_lambda_weighs_the_distribution_and_the_scale_the_whole(cls):
    value, _, metrics = run(
        cls(**PARTS, lam=0.7, loss_scale=5.0), l2_normalize(embeddings()), jax.random.key(0)
    )
    np.testing.assert_allclose(value, 5 * (metrics["loss_align"] + 0.7 * metrics["loss_match"]), rtol=1e-5)


@pytest.mark.parametrize("prior", PRIORS)
def test_the_distance_is_small_for_a_sample_of_the_prior_and_drawn_from_the_key(prior):
    method = IntriguingSWD(**PARTS, prior=prior)
    sample = PRIORS[prior].sample(jax.random.key(5), 512, 8).reshape(256, 2, 8)
    near = run(method, sample, jax.random.key(1))[2]["loss_match"]
    for other in (0 * sample + 0.3, 3 * sample + 1.0):  # collapsed; wide and off centre
        assert run(method, other, jax.random.key(1))[2]["loss_match"] > 5 * near
    again, elsewhere = (run(method, sample, jax.random.key(seed))[0] for seed in (1, 2))
    assert again == run(method, sample, jax.random.key(1))[0] and again != elsewhere
    shuffled = run(method, sample[::-1], jax.random.key(1))[0]
    np.testing.assert_allclose(shuffled, again, rtol=1e-5)


def test_only_the_hypersphere_normalises_embeddings():
    z, key = embeddings(), jax.random.key(1)
    for prior in PRIORS:
        once, twice = (run(IntriguingSWD(**PARTS, prior=prior), c * z, key)[0] for c in (1.0, 2.0))
        assert np.allclose(once, twice, rtol=1e-5) == (prior == "hypersphere")


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_projection_heads_of_every_depth(depth):
    head = ProjectionHead(dim=8, depth=depth, hidden_norm=True, output_norm="scale")
    method = IntriguingSWD(encoder=PARTS["encoder"], head=head)
    params, _, _ = jax.eval_shape(method.init, jax.random.key(0), jnp.zeros((2, 2, 8, 8, 1)))
    kernels = [leaf for leaf in jax.tree.leaves(params["head_final"]) if len(leaf.shape) == 2]
    assert len(kernels) == depth and any(kernel.shape[1] == 8 for kernel in kernels)


def test_an_unknown_prior_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="hypersphere"):
        IntriguingSWD(**PARTS, prior="hyperspher")
