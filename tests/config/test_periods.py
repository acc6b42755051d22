"""The edges of a config's periods and of its seed: a meaning of their own, or a sentence."""

import pytest
from tiny import experiment

from contrastive_jax.errors import InputError
from contrastive_jax.train.loop import Periods


@pytest.mark.parametrize(
    "fields, words",
    [
        ({"checkpoint": {"keep": 0}}, "checkpoint.keep is 0"),
        ({"checkpoint": {"every_epochs": -1.0}}, "checkpoint.every_epochs is -1"),
        ({"checkpoint": {"every_epochs": float("inf")}}, "checkpoint.every_epochs is inf"),
        ({"log": {"every_steps": -1}}, "log.every_steps is -1"),
        ({"seed": -1}, "config.seed is -1: give a number from 0"),
        ({"seed": 2**32}, "config.seed is 4294967296"),
    ],
)
def test_what_means_nothing_is_refused(fields, words):
    with pytest.raises(InputError, match=words):
        experiment("supcon", **fields)


def test_zero_is_never_for_every_period():
    off = {"every_epochs": 0.0}
    chosen = experiment("supcon", log={"every_steps": 0}, checkpoint=off, monitor=off)
    assert chosen.periods(10) == Periods(log=0, save=0, look=0)
    chosen = experiment("supcon", checkpoint={"every_epochs": 0.01}, monitor={"every_epochs": 2.0})
    assert chosen.periods(10).save == 1 and chosen.periods(10).look == 20
