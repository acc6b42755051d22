"""How many epochs a budget of wall time buys, from the seconds of a few real steps.

The schedule's warm-up and milestones are in epochs, so they shrink with the run; all else stays as published.
"""

import dataclasses
import math
import re
from collections.abc import Mapping
from typing import Any

from contrastive_jax.errors import InputError

UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
FORWARD_SHARE = 1 / 3
"""Of the time of a training step, roughly: the backward pass costs twice the forward pass."""
IN_EPOCHS = ("warmup_epochs", "epochs_per_decay")
"""Fields of a schedule that are epochs."""


def seconds(text: str) -> float:
    """Seconds of `90s`, `30min`, `2h`, `1.5d`.

    Raises:
      InputError: no such time.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]+)", text.strip())
    if match is None or match[2] not in UNITS or not float(match[1]):
        raise InputError(f"--budget={text} is not a time: write 90s, 30min, 2h or 1.5d.")
    return float(match[1]) * UNITS[match[2]]


def spoken(seconds: float) -> str:
    """`45 s`, `12 min`, `2.5 h`."""
    if seconds < 90:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


@dataclasses.dataclass(frozen=True)
class Costs:
    """Seconds on this machine."""

    spent: float
    """What the timing itself took."""
    start: float
    """From a start to the end of its first step: reading the data and compiling."""
    step: float
    """A training step."""
    steps_per_epoch: int
    evaluation: float
    """The evaluation after the run, estimated."""

    @property
    def epoch(self) -> float:
        return self.step * self.steps_per_epoch

    @property
    def fixed(self) -> float:
        """All but the epochs."""
        return self.spent + self.start + self.evaluation


def epochs_for(budget: float, costs: Costs, published: float) -> float:
    """Whole epochs that fit into `budget` seconds beside everything else; at most the published ones.

    Raises:
      InputError: not even one fits.
    """
    left = budget - costs.fixed
    if published * costs.epoch <= left:
        return published
    affordable = int(left // costs.epoch)
    if affordable < 1:
        needed = math.ceil((costs.fixed + costs.epoch) / 60)
        raise InputError(
            f"a budget of {spoken(budget)} does not buy one epoch: timing and start take"
            f" {spoken(costs.spent + costs.start)}, an epoch {spoken(costs.epoch)} and the evaluation about"
            f" {spoken(costs.evaluation)}. Give --budget={needed}min or more."
        )
    return float(affordable)


def shortened(config: Mapping[str, Any], epochs: float) -> dict[str, Any]:
    """The config for a run of `epochs`, with its schedule shrunk in proportion."""
    share = epochs / config["epochs"]
    if share == 1:
        return dict(config)
    schedule = dict(config["schedule"])
    for field in IN_EPOCHS:
        if field in schedule:
            schedule[field] *= share
    if "milestones" in schedule:
        schedule["milestones"] = tuple(max(1, round(epoch * share)) for epoch in schedule["milestones"])
    return {**config, "epochs": epochs, "schedule": schedule}


def evaluation_seconds(
    *,
    step: float,
    batch_size: int,
    views: int,
    train: int,
    test: int,
    epochs: int,
    rates: int,
    augmented: bool,
) -> float:
    """The passes of the frozen encoder over the images, at a third of a training step's time per view.

    Classifiers on augmented images see new features in every epoch, and are trained twice if a rate is chosen.
    """
    passes = 1 + (epochs * (2 if rates > 1 else 1) if augmented else 0)
    return (passes * train + test) * step / (batch_size * views) * FORWARD_SHARE
