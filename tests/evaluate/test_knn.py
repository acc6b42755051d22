"""Weighted k-NN against a loop in float64, whatever the block sizes."""

import jax
import numpy as np
import pytest

from contrastive_jax.evaluate import baselines, knn

CLASSES, TAU = 7, 0.07


def data(n: int, seed: int):
    rng = np.random.default_rng(seed)
    labels = rng.integers(CLASSES, size=n)
    centres = np.random.default_rng(5).normal(size=(CLASSES, 6))
    return (centres[labels] + rng.normal(size=(n, 6))).astype(np.float32), labels


TRAIN, LABELS = data(101, 0)
TEST, TEST_LABELS = data(37, 1)


def oracle(k: int):
    unit = lambda x: x / np.linalg.norm(x.astype(np.float64), axis=1, keepdims=True)  # noqa: E731
    ranked = []
    for row in unit(TEST) @ unit(TRAIN).T:
        votes = np.zeros(CLASSES)
        for neighbour in np.argsort(-row, kind="stable")[:k]:
            votes[LABELS[neighbour]] += np.exp(row[neighbour] / TAU)
        ranked.append(np.argsort(-votes, kind="stable")[:5])
    return np.array(ranked)


@pytest.mark.parametrize("blocks", [(37, 101), (8, 16), (64, 1000), (1, 7)])
def test_ranked_classes(blocks):
    ks = (1, 5, 101)
    settings = dict(classes=CLASSES, ks=ks, tau=TAU, test_block=blocks[0], train_block=blocks[1])
    ours = knn.predict(TRAIN, LABELS, TEST, **settings)
    for ranked, k in zip(ours, ks):
        np.testing.assert_array_equal(ranked, oracle(k))


def test_memory_map_is_never_on_the_device_as_a_whole(tmp_path, monkeypatch):
    train = np.lib.format.open_memmap(tmp_path / "train.npy", "w+", np.float16, TRAIN.shape)
    train[:] = TRAIN
    settings = dict(classes=CLASSES, ks=(5,), tau=TAU, test_block=16)
    expected = knn.predict(np.array(train), LABELS, TEST, **settings)
    merge, largest = knn._merge, []

    def spy(*arguments):
        sizes = [
            array.shape[0] for array in jax.live_arrays() if array.dtype == np.float16 and array.ndim == 2
        ]
        largest.append((max(sizes), len(sizes)))
        return merge(*arguments)

    monkeypatch.setattr(knn, "_merge", spy)
    np.testing.assert_array_equal(knn.predict(train, LABELS, TEST, train_block=10, **settings), expected)
    assert len(largest) == 11 and all(rows == 10 and blocks <= 2 for rows, blocks in largest)


def test_inside_jit():
    settings = dict(classes=CLASSES, ks=(5,), tau=TAU, train_block=40)
    ours = jax.jit(lambda x, label, query: knn.predict(x, label, query, **settings))(TRAIN, LABELS, TEST)
    np.testing.assert_array_equal(ours[0], oracle(5))


def test_accuracy_per_exit_and_k():
    exits = {"block1": TRAIN, "final": TRAIN[:, :3]}
    found = knn.accuracy(
        exits, LABELS, {"block1": TEST, "final": TEST[:, :3]}, TEST_LABELS, classes=CLASSES, ks=(5, 500)
    )
    hit = oracle(5) == TEST_LABELS[:, None]
    assert found["block1"][5] == pytest.approx((100 * hit[:, 0].mean(), 100 * hit.any(1).mean()))
    assert found["block1"][500] == found["block1"][500] and found["final"][5] != found["block1"][5]


def test_equal_neighbours_rank_by_row():
    """Three copies of one vector with different labels: the first row wins, across blocks too."""
    train = np.ones((6, 2), np.float32)
    labels = np.array([3, 1, 1, 0, 0, 0])
    for block in (6, 2, 1):
        ranked = knn.predict(train, labels, train[:1], classes=4, ks=(1, 3, 6), train_block=block)
        np.testing.assert_array_equal(ranked[:, 0, 0], [3, 1, 0])


def test_pixels_beat_chance_by_far():
    rng = np.random.default_rng(0)
    prototypes = rng.integers(0, 256, size=(4, 5, 5, 1))
    labels = rng.integers(4, size=300)
    images = np.clip(prototypes[labels] + rng.normal(0, 60, size=(300, 5, 5, 1)), 0, 255).astype(np.uint8)
    score = baselines.pixel_logistic_regression(images[:200], labels[:200], images[200:], labels[200:])
    assert score > 85
    shuffled = baselines.pixel_logistic_regression(
        images[:200], rng.permutation(labels[:200]), images[200:], labels[200:]
    )
    assert shuffled < 50
