"""The training loop: steps, reports, checkpoints. Nothing in it is random and nothing is remembered."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import jax

from contrastive_jax.train.checkpoint import Checkpoints
from contrastive_jax.train.metrics import MetricWriter, Pending
from contrastive_jax.train.state import TrainState
from contrastive_jax.train.step import Step
from contrastive_jax.train.stop import StopRequest


@dataclasses.dataclass(frozen=True)
class Periods:
    """Steps between reports, checkpoints and looks of the monitor; 0: never."""

    log: int
    save: int
    look: int

    def all(self) -> list[int]:
        """Those that a dispatch of several steps should divide."""
        return [period for period in (self.log, self.save, self.look) if period]


def train(
    step: Step,
    batches: Iterator[Any],
    state: TrainState,
    *,
    total_steps: int,
    periods: Periods,
    monitor: Callable[[TrainState], dict[str, float]],
    checkpoints: Checkpoints,
    writer: MetricWriter,
    stop: StopRequest,
) -> tuple[TrainState, dict[str, float]]:
    """Runs from `state.step` to `total_steps`, saves the last state and returns it with the last report.

    Where a signal asks to stop, the last state is that of the dispatch that was under way.

    A checkpoint is written only after all losses and gradients before it were seen to be finite.

    Args:
      step: one or several updates per call; metrics are [step].
      batches: what `step` takes, from step `state.step` on, each a pure function of its steps' numbers.

    Raises:
      NonFiniteLoss: the loss or the gradient is no longer finite.
    """
    number = int(state.step)
    pending, report, last_good, running = Pending(), {}, checkpoints.latest(), None
    while number < total_steps:
        state, metrics = step(state, next(batches))
        jax.block_until_ready(running)  # no more than two dispatches wait, so that a signal is answered soon
        running = metrics["loss"]
        done = len(metrics["loss"])
        number += done
        last = number == total_steps
        pending.add(number, metrics)
        writer.advance(done)
        stopping = stop.reached() and not last
        save = checkpoints.due(number) or last or stopping
        look = periods.look and (number % periods.look == 0 or last)
        log = periods.log and number % periods.log == 0
        if save or look or log:
            found = pending.take(last_good)
            report = writer.write(number, found | (monitor(state) if look else {}))
        if save:
            checkpoints.save(state)
            last_good = number
        if stopping:
            break
    return state, report
