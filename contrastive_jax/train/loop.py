"""The training loop: steps, reports, checkpoints. Nothing in it is random and nothing is remembered."""

from collections.abc import Callable

from contrastive_jax.methods import Batch
from contrastive_jax.train.checkpoint import Checkpoints
from contrastive_jax.train.metrics import MetricWriter, Pending
from contrastive_jax.train.state import TrainState
from contrastive_jax.train.step import Step


def train(
    step: Step,
    state: TrainState,
    batch_at: Callable[[int], Batch],
    *,
    total_steps: int,
    log_every: int,
    checkpoints: Checkpoints,
    writer: MetricWriter,
) -> dict[str, float]:
    """Runs from `state.step` to `total_steps`, saves the last state and returns the last report.

    batch_at: the batch of a step, a pure function of its number. A checkpoint is written only after all
    losses and gradients before it were seen to be finite. Raises NonFiniteLoss otherwise.
    """
    first = int(state.step)
    pending, report, last_good = Pending(), {}, checkpoints.latest()
    for number in range(first, total_steps):
        state, metrics = step(state, batch_at(number))
        done = number + 1
        pending.add(done, metrics)
        writer.advance()
        save = checkpoints.due(done) or done == total_steps
        if save or done % log_every == 0:
            report = writer.write(done, pending.take(last_good))
        if save:
            checkpoints.save(state)
            last_good = done
    return report
