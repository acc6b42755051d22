"""The training loop: steps, reports, checkpoints. Nothing in it is random and nothing is remembered."""

from collections.abc import Callable

from contrastive_jax.train.checkpoint import Checkpoints
from contrastive_jax.train.feed import Feed
from contrastive_jax.train.metrics import MetricWriter, Pending
from contrastive_jax.train.state import TrainState


def train(
    feed: Feed,
    state: TrainState,
    *,
    total_steps: int,
    log_every: int,
    monitor_every: int,
    monitor: Callable[[TrainState], dict[str, float]],
    checkpoints: Checkpoints,
    writer: MetricWriter,
) -> dict[str, float]:
    """Runs from `state.step` to `total_steps`, saves the last state and returns the last report.

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
        look = monitor_every and (number % monitor_every == 0 or last)
        if save or look or number % log_every == 0:
            found = pending.take(last_good)
            report = writer.write(number, found | (monitor(state) if look else {}))
        if save:
            checkpoints.save(state)
            last_good = number
    return report
