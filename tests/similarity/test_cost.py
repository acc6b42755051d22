"""What the compiled programs of the similarity engine cost: memory, communication, matrix products."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from similarity_cases import L_IN, L_OUT, TAU, rows, sharded, total, value_and_grads, weights

from contrastive_jax.parallel.mesh import make_mesh
from contrastive_jax.similarity import Rows, row_stats, sweep


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
    step = jax.jit(functools.partial(value_and_grads, c=None, want=L_OUT, impl="ring"))
    with jax.set_mesh(mesh):
        moved = collectives(step.lower(sharded(a, mesh)).compile().as_text())
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
