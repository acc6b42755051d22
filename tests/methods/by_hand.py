"""What tests of single methods share: a method with other fields, and embeddings and memories made by hand."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from tiny import BATCH, trial

from contrastive_jax.losses import Queue

KEY = jax.random.key(3)
STEP = jnp.zeros((), jnp.int32)
LABEL = jnp.asarray(np.random.default_rng(0).integers(0, 4, BATCH))


def unit(seed, *shape):
    z = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return jnp.asarray(z / np.linalg.norm(z, axis=-1, keepdims=True))


def made(name, **fields):
    return dataclasses.replace(trial(name, 1).method, **fields)


def shapes(method):
    """Shapes of its parameters, collections and state."""
    return jax.eval_shape(method.init, KEY, jnp.zeros((2, method.views, 8, 8, 1)))


def fresh(method):
    """Its real start, cheaply compiled."""
    return jax.jit(method.init)(KEY, jnp.zeros((2, method.views, 8, 8, 1)))


def batch_of(method, seed=5):
    images = np.random.default_rng(seed).normal(size=(BATCH, method.views, 8, 8, 1))
    view = jnp.asarray(images, jnp.float32)
    return {"view": view, "label": LABEL, "index": jnp.arange(BATCH) * 3}


def compiled(method):
    return jax.jit(method.loss)


def filled_queue(size, dim, at):
    label = jnp.asarray(np.random.default_rng(1).integers(-1, 4, size), jnp.int32)
    return Queue(unit(2, size, dim), label, jnp.asarray(at, jnp.int32))


def check_pushed(before, after, z, label):
    """First in, first out: the new rows in order from `at`, round the end, and nothing else."""
    expected, labels = np.array(before.z), np.array(before.label)
    for i, (row, own) in enumerate(zip(np.asarray(z), np.asarray(label))):
        expected[(int(before.at) + i) % len(expected)] = row
        labels[(int(before.at) + i) % len(labels)] = own
    np.testing.assert_array_equal(after.z, expected)
    np.testing.assert_array_equal(after.label, labels)
    assert after.at == (int(before.at) + len(z)) % len(expected)
