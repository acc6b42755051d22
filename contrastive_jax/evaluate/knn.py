"""Weighted k-nearest neighbours on frozen features, DINO's protocol (Wu et al. 2018; Caron et al. 2021).

    s = f_test . f_train (L2-normalised),  score(c) = sum over the k nearest of class c of exp(s / tau)

Similarities are computed in blocks of training rows and, for each, in blocks of test rows with a running list of the
nearest: memory does not grow with the product of the two, and a training set on the host is read once. Ties in
similarity rank by training row, ties in score by class.
"""

import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from contrastive_jax.losses import l2_normalize

Features = Mapping[str, Float[Array | np.ndarray, "_ _"]]


def accuracy(
    train: Features,
    train_labels: Int[Array | np.ndarray, " train"],
    test: Features,
    test_labels: Int[Array | np.ndarray, " test"],
    *,
    classes: int,
    ks: tuple[int, ...] = (10, 20, 100, 200),
    tau: float = 0.07,
) -> dict[str, dict[int, tuple[float, float]]]:
    """{exit: {k: (top-1, top-5) in percent}}."""
    result = {}
    for exit in train:
        ranked = predict(train[exit], train_labels, test[exit], classes=classes, ks=ks, tau=tau)
        hit = np.asarray(ranked) == np.asarray(test_labels)[None, :, None]
        result[exit] = {
            k: (100 * float(h[:, 0].mean()), 100 * float(h.any(-1).mean())) for k, h in zip(ks, hit)
        }
    return result


def predict(
    train: Float[Array | np.ndarray, "train dim"],
    train_labels: Int[Array | np.ndarray, " train"],
    test: Float[Array | np.ndarray, "test dim"],
    *,
    classes: int,
    ks: tuple[int, ...] = (10, 20, 100, 200),
    tau: float = 0.07,
    test_block: int = 256,
    train_block: int = 8192,
) -> Int[Array, "k test top"]:
    """The five classes (all, if there are fewer) with the highest scores, best first, for every k.

    Exact: every pair is compared. If k exceeds the training set, every row votes.

    Args:
      train: training features; on the host, a memory map for example, at most two blocks are on the device at a time.
      train_labels: their classes, from 0.
      test: test features, all on the device.
      classes: number of classes.
      ks: numbers of neighbours.
      tau: temperature of the votes.
      test_block, train_block: rows compared at a time.
    """
    nearest = min(max(ks), train.shape[0])
    queries = _blocks(l2_normalize(jnp.asarray(test).astype(float)), test_block)
    best = (
        jnp.full((*queries.shape[:2], nearest), -jnp.inf, queries.dtype),
        jnp.full((*queries.shape[:2], nearest), -1),
    )
    size = min(train_block, train.shape[0])
    for start in range(0, train.shape[0], size):
        block = train[start : start + size]
        before, best = best, _merge(best, queries, _padded(block, size), start, block.shape[0])
        jax.block_until_ready(before)  # or all blocks would be sent before the first is compared
    ranked = _ranked(*best, jnp.asarray(train_labels), classes, ks, tau)
    return jnp.moveaxis(ranked.reshape(-1, *ranked.shape[2:])[: test.shape[0]], 1, 0)


@jax.jit
def _merge(best, queries: Float[Array, "blocks query dim"], block: Float[Array, "row dim"], start, rows):
    """The lists of the nearest after the first `rows` of a block of training rows, of which the first is `start`."""
    x, place = l2_normalize(block.astype(float)), jnp.arange(block.shape[0])

    def of_block(found):
        queries, values, numbers = found
        similarity = jnp.matmul(queries, x.T, precision=jax.lax.Precision.HIGHEST)
        similarity = jnp.where(place[None, :] < rows, similarity, -jnp.inf)
        row = jnp.broadcast_to(start + place[None, :], similarity.shape)
        # The list comes first and top_k prefers the earlier of equal values, so lower row numbers win.
        joined = [jnp.concatenate([old, new], axis=1) for old, new in ((values, similarity), (numbers, row))]
        values, chosen = jax.lax.top_k(joined[0], values.shape[1])
        return values, jnp.take_along_axis(joined[1], chosen, axis=1)

    return jax.lax.map(of_block, (queries, *best))


@functools.partial(jax.jit, static_argnames=("classes", "ks"))
def _ranked(
    similarity, row, labels, classes: int, ks: tuple[int, ...], tau
) -> Int[Array, "blocks query k top"]:
    """The classes by their votes, most first."""

    def of_block(found):
        similarity, row = found
        weight, rank = jnp.exp(similarity / tau), jnp.arange(similarity.shape[1])[None, :]
        votes = [_votes(jnp.where(rank < k, weight, 0.0), labels[row], classes) for k in ks]
        return jnp.stack([jax.lax.top_k(v, min(5, classes))[1] for v in votes], axis=1)

    return jax.lax.map(of_block, (similarity, row))


def _votes(
    weight: Float[Array, "query k"], label: Int[Array, "query k"], classes: int
) -> Float[Array, "query classes"]:
    return jax.vmap(lambda w, c: jax.ops.segment_sum(w, c, num_segments=classes))(weight, label)


def _blocks(x: Float[Array, "n dim"], size: int) -> Float[Array, "blocks size dim"]:
    """Rows in blocks of equal size, the last padded with zeros."""
    size = min(size, x.shape[0])
    return _padded(x, -(-x.shape[0] // size) * size).reshape(-1, size, x.shape[1])


def _padded(x, rows: int) -> Float[Array, "rows dim"]:
    x = jnp.asarray(x)
    return jnp.pad(x, ((0, rows - x.shape[0]), (0, 0)))
