"""What a row's run and its evaluation are estimated to cost, with a clock that only steps move."""

import types

import jax.numpy as jnp
import pytest
from tiny import experiment

from contrastive_jax import main
from contrastive_jax.config.presets import evaluation
from contrastive_jax.reproduction import timing

PARTS = types.SimpleNamespace(optimizer=None)


@pytest.mark.parametrize(
    "linear, rates, augment, passes",
    [(True, 1, "none", 1), (True, 2, "crop_flip", 7), (False, 2, "crop_flip", 1)],
)
def test_steps_are_timed_one_by_one_and_the_evaluation_passes_over_its_images(
    linear, rates, augment, passes, monkeypatch
):
    """Dispatches of four steps, of two seconds each."""
    clock, closed = [0.0], []

    def feed():
        try:
            while True:
                yield None
        finally:
            closed.append(True)

    def step(state, batch):
        clock[0] += 8
        return state, {"loss": jnp.zeros(4)}

    monkeypatch.setattr(timing, "time", types.SimpleNamespace(perf_counter=lambda: clock[0]))
    monkeypatch.setattr(timing, "create", lambda *args: None)
    monkeypatch.setattr(main, "training_of", lambda *args: PARTS)
    monkeypatch.setattr(main, "open_feed", lambda *args, **kwargs: (step, feed()))
    judged = evaluation(optimizer="sgd", schedule="step").to_dict() | {"pretrained": "r", "linear": linear}
    judged["protocol"] |= {"epochs": 3, "learning_rates": (0.1, 0.2)[:rates], "augment": augment}
    splits = {"train_split": "train[:100]", "test_split": "train[100:140]"}
    chosen = experiment("supcon", batch_size=16, data=splits)
    costs = timing.measure(chosen, judged)
    assert (costs.step, costs.start, costs.spent) == (2, 8, 24) and closed
    assert costs.steps_per_epoch == 6
    image = 2 / (16 * 2) / 3  # a third of a step's time per view: supcon has two
    assert costs.evaluation == pytest.approx((100 * passes + 40) * image)
