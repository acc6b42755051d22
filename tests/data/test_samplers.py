"""Class-aware and balanced batches: their properties, and the errors for data that they cannot draw from."""

import numpy as np
import pytest

from contrastive_jax.data.order import Order
from contrastive_jax.data.samplers import Balanced, ClassAware
from contrastive_jax.errors import InputError

LABELS = np.repeat(np.arange(12, dtype=np.int32), np.arange(3, 15))  # classes of 3, 4, ... 14 examples


@pytest.mark.parametrize("per_class", [1, 2, 3])
def test_class_aware_batches_have_per_class_different_examples_of_each_class(per_class):
    drawn = Order(ClassAware(per_class), LABELS, seed=3, batch_size=6 * per_class)
    for step in range(3 * drawn.steps_per_epoch):
        rows = drawn.at(step)
        assert len(np.unique(rows)) == len(rows)
        classes, counts = np.unique(LABELS[rows], return_counts=True)
        assert len(classes) == 6 and set(counts) == {per_class}


def test_class_aware_batches_eventually_reach_every_example():
    drawn = Order(ClassAware(2), LABELS, seed=0, batch_size=8)
    seen = np.concatenate([drawn.at(step) for step in range(60 * drawn.steps_per_epoch)])
    assert set(seen) == set(range(len(LABELS)))
    times = np.bincount(LABELS[seen])
    assert times.max() < 1.35 * times.min(), "classes are drawn equally often"


def test_a_class_that_is_too_small_is_left_out():
    drawn = Order(ClassAware(4), LABELS, seed=0, batch_size=16)
    assert 0 not in LABELS[np.concatenate([drawn.at(step) for step in range(50)])]


def test_balanced_draws_every_class_equally_often_and_every_example_of_a_class():
    drawn = Order(Balanced(), LABELS, seed=1, batch_size=12)
    epoch = np.concatenate([drawn.at(step) for step in range(drawn.steps_per_epoch)])
    times = np.bincount(LABELS[epoch], minlength=12)
    assert times.max() - times.min() <= 1
    rare = epoch[LABELS[epoch] == 0]
    assert set(rare) == {0, 1, 2}


@pytest.mark.parametrize("drawn", [ClassAware(2), Balanced()])
def test_the_order_is_a_function_of_seed_and_step(drawn):
    one, again, other = (Order(drawn, LABELS, seed, 8) for seed in (1, 1, 2))
    late = 5 * one.steps_per_epoch + 3
    np.testing.assert_array_equal(one.at(late), again.at(late))
    assert not np.array_equal(one.at(late), other.at(late))
    assert not np.array_equal(one.at(0), one.at(one.steps_per_epoch))


def test_data_that_cannot_be_drawn_from():
    cifar10 = np.arange(1000, dtype=np.int32) % 10
    with pytest.raises(
        InputError, match="needs 64 classes .* 10 such classes; use a batch_size of at most 20"
    ):
        Order(ClassAware(2), cifar10, 0, 128)
    with pytest.raises(InputError, match="not a multiple of sampler.per_class 3"):
        Order(ClassAware(3), cifar10, 0, 16)
    with pytest.raises(InputError, match="needs labels"):
        Order(Balanced(), np.full(100, -1, np.int32), 0, 16)
    with pytest.raises(InputError, match="per_class is 0"):
        ClassAware(0)
