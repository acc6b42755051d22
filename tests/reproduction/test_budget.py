"""What a budget buys, and what shrinks with it."""

import pytest

from contrastive_jax.errors import InputError
from contrastive_jax.reproduction.budget import (
    Costs,
    epochs_for,
    evaluation_seconds,
    seconds,
    shortened,
    spoken,
)


@pytest.mark.parametrize(
    "text, expected", [("90s", 90), ("30min", 1800), ("5m", 300), ("2h", 7200), ("1.5 d", 129600)]
)
def test_times(text, expected):
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "2", "h", "2w", "-1h", "0h", "1h30"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(InputError, match="write 90s, 30min, 2h or 1.5d"):
        seconds(text)


def test_spoken_times():
    assert [spoken(s) for s in (0.4123, 60, 600, 9000)] == ["0.412 s", "60 s", "10 min", "2.5 h"]


COSTS = Costs(spent=50, start=30, step=0.5, steps_per_epoch=200, evaluation=120)


def test_an_epoch_costs_its_steps():
    assert (COSTS.epoch, COSTS.fixed) == (100, 200)


@pytest.mark.parametrize(
    "budget, epochs", [(300, 1), (399, 1), (400, 2), (1200, 10), (5199, 49), (5200, 50), (1e6, 50)]
)
def test_epochs_are_what_is_left_beside_everything_else(budget, epochs):
    assert epochs_for(budget, COSTS, published=50.0) == epochs


def test_less_than_an_epoch_is_refused_with_what_it_takes():
    with pytest.raises(InputError, match="does not buy one epoch.*Give --budget=5min or more"):
        epochs_for(299, COSTS, published=50.0)


def test_a_published_run_of_a_fraction_of_an_epoch_is_kept():
    assert epochs_for(250, COSTS, published=0.5) == 0.5


def test_the_schedule_shrinks_with_the_epochs_and_nothing_else_changes():
    config = {
        "epochs": 200.0,
        "batch_size": 256,
        "schedule": {
            "name": "step",
            "milestones": (2, 120, 160),
            "warmup_epochs": 10.0,
            "decay": 0.1,
            "warmup_from": 0.01,
        },
    }
    found = shortened(config, 20.0)
    assert found == config | {
        "epochs": 20.0,
        "schedule": config["schedule"] | {"milestones": (1, 12, 16), "warmup_epochs": 1.0},
    }
    assert config["epochs"] == 200.0 and shortened(config, 200.0) == config


def test_an_evaluation_is_passes_of_the_encoder():
    common = dict(step=3.0, batch_size=100, views=2, train=1000, test=400)  # 5 ms for an image and a view
    assert evaluation_seconds(**common, epochs=100, rates=1, augmented=False) == pytest.approx(1400 * 0.005)
    assert evaluation_seconds(**common, epochs=100, rates=1, augmented=True) == pytest.approx(101_400 * 0.005)
    assert evaluation_seconds(**common, epochs=100, rates=6, augmented=True) == pytest.approx(201_400 * 0.005)
