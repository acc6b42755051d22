"""The training loop: steps, reports, checkpoints. Nothing in it is random and nothing is remembered."""

import dataclasses
from collections.abc import Callable

from contrastive_jax.train.checkpoint import Checkpoints
from contrastive_jax.train.feed import Feed
from contrastive_jax.train.metrics import MetricWriter, Pending
from contrastive_jax.train.state import TrainState


@dataclasses.dataclass(frozen=True)
class Periods:
    """Steps between reports, checkpoints and looks of the monitor."""

    log: int
    save: int
    look: int
    """0: never"""

    def all(self) -> list[int]:
        """Those that a dispatch of several steps should divide."""
        return [period for period in (self.log, self.save, self.look) if period]


def train(
    feed: Feed,
    state: TrainState,
    *,
    total_steps: int,
    periods: Periods,
    monitor: Callable[[TrainState], dict[str, float]],
    checkpoints: Checkpoints,
    writer: MetricWriter,
) -> tuple[TrainState, dict[str, float]]:
    """Runs from `state.step` to `total_steps`, saves the last state and returns it with the last report.

    feed: brings the batch of a step, a pure function of its number. A checkpoint is written only after all
    losses and gradients before it were seen to be finite. Raises NonFiniteLoss otherwise. A dispatch of several
    steps ends at the next multiple of `feed.at_once`, so that logging and checkpoints fall on its boundaries.
    """
    number = int(state.step)
    pending, report, last_good = Pending(), {}, checkpoints.latest()
    while number < total_steps:
        count = min(feed.at_once - number % feed.at_once, total_steps - number)
        state, metrics = feed.run(state, number, count)
        number += count
        last = number == total_steps
        pending.add(number, metrics)
        writer.advance(count)
        save = checkpoints.due(number) or last
        look = periods.look and (number % periods.look == 0 or last)
        if save or look or number % periods.log == 0:
            found = pending.take(last_good)
            report = writer.write(number, found | (monitor(state) if look else {}))
        if save:
            checkpoints.save(state)
            last_good = number
    return state, report
