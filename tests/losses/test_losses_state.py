"""Queues and memories, and the draws of the sliced Wasserstein distance."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from contrastive_jax import losses


def test_push_wraps_and_overwrites_the_oldest():
    state = losses.Queue(jnp.zeros((5, 1)), jnp.full(5, -1), jnp.zeros((), int))
    for start in (0, 3):
        new = jnp.arange(start, start + 3)
        state = jax.jit(losses.push)(state, new[:, None].astype(float), new)
    assert state.label.tolist() == [5, 1, 2, 3, 4] and int(state.at) == 1
    assert state.z[:, 0].tolist() == [5.0, 1.0, 2.0, 3.0, 4.0]


def test_a_new_queue_has_unit_rows_without_labels():
    state = losses.new_queue(jax.random.key(0), 6, 8)
    np.testing.assert_allclose(jnp.linalg.norm(state.z, axis=1), 1, rtol=1e-6)
    assert (state.label == -1).all() and int(state.at) == 0


def test_state_carries_no_gradient():
    def stored(z):
        state = losses.push(losses.new_queue(jax.random.key(0), 4, 3), z, jnp.zeros(2, int))
        memory = losses.update_memory(jnp.ones((4, 3)), jnp.arange(2), z, momentum=0.5)
        return jnp.sum(state.z) + jnp.sum(memory)

    assert not jax.grad(stored)(jnp.ones((2, 3))).any()


def test_memory_moves_towards_the_batch_and_stays_normalised():
    memory = losses.new_memory(jax.random.key(1), 6, 4)
    z = jnp.eye(4)[:2]
    after = losses.update_memory(memory, jnp.array([3, 0]), z, momentum=0.5)
    mixed = 0.5 * memory[3] + 0.5 * z[0]
    np.testing.assert_allclose(after[3], mixed / jnp.linalg.norm(mixed), rtol=1e-6)
    np.testing.assert_array_equal(after[jnp.array([1, 2, 4, 5])], memory[jnp.array([1, 2, 4, 5])])


def test_crd_constant_is_the_mean_score_times_the_data():
    s = jnp.array([[0.0, 1.0], [2.0, 3.0]])
    assert jnp.exp(losses.crd_constant(s, examples=10)) == pytest.approx(
        10 * np.exp([0, 1, 2, 3]).mean(), rel=1e-6
    )


def test_directions_are_orthogonal_and_of_both_orientations():
    draws = [losses.directions(jax.random.key(i), 6) for i in range(12)]
    for w in draws:
        np.testing.assert_allclose(w.T @ w, np.eye(6), atol=1e-5)
    assert {int(np.sign(np.linalg.det(w))) for w in draws} == {-1, 1}
    # Without the sign fix the first column's first entry would have one sign (LAPACK's reflections).
    assert {bool(w[0, 0] > 0) for w in draws} == {False, True}


def test_priors():
    key = jax.random.key(0)
    cube, ball = losses.hypercube_prior(key, 4000, 3), losses.hypersphere_prior(key, 4000, 3)
    normal = losses.normal_prior(key, 4000, 3)
    assert jnp.abs(cube).max() <= 1 and jnp.var(cube) == pytest.approx(1 / 3, rel=0.05)
    np.testing.assert_allclose(jnp.linalg.norm(ball, axis=1), 1, rtol=1e-5)
    assert jnp.var(ball) == pytest.approx(1 / 3, rel=0.05)
    assert jnp.var(normal) == pytest.approx(1, rel=0.05)


def test_sort_is_exact_under_ties():
    """[3, 1, 1, 2] sorts to [1, 1, 2, 3]; counting ranks, as the notebook does, gets it wrong."""
    x, prior, w = (
        jnp.array([[3.0], [1.0], [1.0], [2.0]]),
        jnp.array([[1.0], [1.0], [2.0], [3.0]]),
        jnp.ones((1, 1)),
    )
    value, gradient = jax.value_and_grad(lambda x: losses.sliced_wasserstein(x, prior, w).sum())(x)
    assert value == 0 and not gradient.any()
    moved = jax.grad(lambda x: losses.sliced_wasserstein(x, prior + 1, w).sum())(x)
    np.testing.assert_allclose(moved, jnp.full((4, 1), -0.5), rtol=1e-6)


def test_memory_of_the_sort_is_linear_in_the_batch():
    """4096 x 128 on this backend: at most 20 MB of temporaries, value and gradient."""

    def loss(h, prior, w):
        return jnp.mean(losses.sliced_wasserstein(h, prior, w))

    shapes = [jax.ShapeDtypeStruct(s, jnp.float32) for s in ((4096, 128), (4096, 128), (128, 128))]
    used = jax.jit(jax.value_and_grad(loss)).lower(*shapes).compile().memory_analysis()
    assert used.temp_size_in_bytes <= 20e6
