"""Weighted k-nearest neighbours on frozen features, DINO's protocol (Wu et al. 2018; Caron et al. 2021).

    s = f_test . f_train (L2-normalised),  score(c) = sum over the k nearest of class c of exp(s / tau)

Similarities are computed in blocks of test rows and, for each, in blocks of training rows with a running list of the
nearest, so memory does not grow with the product of the two. Ties in similarity rank by training row, ties in score by
class.
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


@functools.partial(jax.jit, static_argnames=("classes", "ks", "tau", "test_block", "train_block"))
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

    If k exceeds the training set, every row votes.
    """
    train, test = (l2_normalize(jnp.asarray(x).astype(float)) for x in (train, test))
    nearest = min(max(ks), train.shape[0])
    blocks, rows = _blocks(train, train_block)
    labels = jnp.asarray(train_labels)

    def of_block(queries):
        similarity, row = _nearest(queries, blocks, rows, nearest)
        weight = jnp.exp(similarity / tau)
        votes = [
            _votes(jnp.where(jnp.arange(nearest)[None, :] < k, weight, 0.0), labels[row], classes) for k in ks
        ]
        return jnp.stack([jax.lax.top_k(v, min(5, classes))[1] for v in votes], axis=1)

    queries, _ = _blocks(test, test_block)
    ranked = jax.lax.map(of_block, queries)  # [block, row, k, top]
    ranked = ranked.reshape(-1, *ranked.shape[2:])[: test.shape[0]]
    return jnp.moveaxis(ranked, 1, 0)


def _nearest(queries, blocks, rows, k: int) -> tuple[Float[Array, "query k"], Int[Array, "query k"]]:
    """The k most similar training rows, most similar first, by merging one block after the other."""

    def merge(best, block):
        x, row = block
        similarity = jnp.matmul(queries, x.T, precision=jax.lax.Precision.HIGHEST)
        similarity = jnp.where(row[None, :] >= 0, similarity, -jnp.inf)
        row = jnp.broadcast_to(row[None, :], similarity.shape)
        # The list comes first and top_k prefers the earlier of equal values, so lower row numbers win.
        joined = [jnp.concatenate([old, new], axis=1) for old, new in zip(best, (similarity, row))]
        values, place = jax.lax.top_k(joined[0], k)
        return (values, jnp.take_along_axis(joined[1], place, axis=1)), None

    empty = (
        jnp.full((queries.shape[0], k), -jnp.inf, queries.dtype),
        jnp.full((queries.shape[0], k), -1, rows.dtype),
    )
    best, _ = jax.lax.scan(merge, empty, (blocks, rows))
    return best


def _votes(
    weight: Float[Array, "query k"], label: Int[Array, "query k"], classes: int
) -> Float[Array, "query classes"]:
    return jax.vmap(lambda w, c: jax.ops.segment_sum(w, c, num_segments=classes))(weight, label)


def _blocks(
    x: Float[Array, "n dim"], size: int
) -> tuple[Float[Array, "blocks size dim"], Int[Array, "blocks size"]]:
    """Rows in blocks of equal size, with their numbers; padded with rows numbered -1."""
    size = min(size, x.shape[0])
    missing = -x.shape[0] % size
    row = jnp.pad(jnp.arange(x.shape[0]), (0, missing), constant_values=-1)
    return jnp.pad(x, ((0, missing), (0, 0))).reshape(-1, size, x.shape[1]), row.reshape(-1, size)
