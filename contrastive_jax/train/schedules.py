"""Learning-rate schedules: frozen dataclasses in epochs that build a function `step -> learning rate`.

Steps and epochs count from 0: epoch e begins at step e * steps_per_epoch. The dataclasses reproduce exactly what the
authors' code does, which differs in small ways that move the learning rate:

==================================  ====================================================================
SupContrast, SelfCon cosine         Cosine(per="epoch_end", final_fraction=rate**3, spans="all_epochs")
SupContrast, SelfCon, MCL steps     Step(milestones, decay); their 1-based "epoch > m" is 0-based "epoch >= m"
MCL, MoCo v3, DINO linear cosine    Cosine(per="epoch")
SimCLR, BYOL                        Cosine(warmup_epochs=10): per step, the cosine starts after the warm-up
DINO, SDSSL pre-training            Cosine(warmup_epochs=40, warmup_endpoint=True)
SupCon (TensorFlow) stage 2         Exponential(decay=0.97, epochs_per_decay=0.5, warmup_epochs=12)
==================================  ====================================================================
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax

from contrastive_jax.errors import InputError, nearest

# examples / batch_size is a rounded float: a whole number of steps may come out slightly too small.
ROUNDING = 1e-6


def scaled_peak(lr: float, rule: str, *, batch_size: int, reference: int = 256) -> float:
    """The peak learning rate for a batch size: lr * (batch_size / reference) ** p.

    `none`: p = 0. `linear`: p = 1. `sqrt`: p = 1/2; SimCLR's lr * sqrt(batch_size) has the reference 1.
    """
    powers = {"none": 0.0, "linear": 1.0, "sqrt": 0.5}
    if rule not in powers:
        raise InputError(f"unknown learning-rate scaling '{rule}': {nearest(rule, powers)}")
    return lr * (batch_size / reference) ** powers[rule]


@dataclasses.dataclass(frozen=True)
class Constant:
    """The peak, after a linear warm-up from `warmup_from` (a learning rate, not a fraction)."""

    warmup_epochs: float = 0.0
    """Epochs of linear warm-up; 0: none."""
    warmup_from: float = 0.0
    """Learning rate at the start of the warm-up."""

    def schedule(self, peak, *, epochs: float, steps_per_epoch: float) -> optax.Schedule:
        warmup_steps = whole_steps(self.warmup_epochs, steps_per_epoch)
        return lambda step: _warmed_up(step, peak, self.warmup_from, peak, warmup_steps)


@dataclasses.dataclass(frozen=True)
class Step:
    """The peak times `decay` for every milestone (an epoch) that the current epoch has reached.

    A warm-up replaces the first epochs; it does not move the milestones.
    """

    milestones: tuple[int, ...] = (700, 800, 900)
    """Epochs, counted from 0, at whose start the rate drops."""
    decay: float = 0.1
    """Factor on the rate at every milestone."""
    warmup_epochs: float = 0.0
    """Epochs of linear warm-up; 0: none."""
    warmup_from: float = 0.0
    """Learning rate at the start of the warm-up."""

    def schedule(self, peak, *, epochs: float, steps_per_epoch: float) -> optax.Schedule:
        warmup_steps = whole_steps(self.warmup_epochs, steps_per_epoch)

        def learning_rate(step):
            epoch = _epoch(step, steps_per_epoch)
            reached = sum((epoch >= milestone).astype(float) for milestone in self.milestones)
            return _warmed_up(step, peak * self.decay**reached, self.warmup_from, peak, warmup_steps)

        return learning_rate


@dataclasses.dataclass(frozen=True)
class Cosine:
    """floor + (peak - floor) (1 + cos(pi t)) / 2, with t from 0 to 1 and floor = peak * final_fraction.

    per: `step`: t moves every step; `epoch`: t is taken at the start of the epoch (epochs counted from 0);
        `epoch_end`: at its end (epochs counted from 1: the first one is already below the peak).
    spans: `after_warmup`: t = 0 at the end of the warm-up, which leads to the peak; `all_epochs`: t = 0 at
        the first epoch, the warm-up replaces the beginning and leads to the curve's value at its end.
    warmup_endpoint: whether the last warm-up step has the peak itself (as `linspace` with its end point)
        or the first step after it has.
    """

    warmup_epochs: float = 0.0
    """Epochs of linear warm-up; 0: none."""
    warmup_from: float = 0.0
    """Learning rate at the start of the warm-up."""
    final_fraction: float = 0.0
    """The floor over the peak."""
    per: str = "step"
    """When the rate moves: every `step`, or per `epoch` (taken at its start) or `epoch_end`."""
    spans: str = "after_warmup"
    """Whether the curve begins `after_warmup`, or spans `all_epochs` with the warm-up replacing its beginning."""
    warmup_endpoint: bool = False
    """Whether the last warm-up step reaches the peak; otherwise the first step after it does."""

    def __post_init__(self):
        _check("per", self.per, ("step", "epoch", "epoch_end"))
        _check("spans", self.spans, ("after_warmup", "all_epochs"))

    def schedule(self, peak, *, epochs: float, steps_per_epoch: float) -> optax.Schedule:
        warmup_steps = whole_steps(self.warmup_epochs, steps_per_epoch)
        if self.per == "step":
            warmup, end = warmup_steps, whole_steps(epochs, steps_per_epoch)
        else:
            warmup, end = self.warmup_epochs, epochs
        start = warmup if self.spans == "after_warmup" else 0
        span = max(end - start, 1)  # a warm-up as long as the run leaves no curve
        target = self._value(peak, (warmup - start) / span)

        def learning_rate(step):
            position = _floating(step) if self.per == "step" else _epoch(step, steps_per_epoch)
            t = (position + (self.per == "epoch_end") - start) / span
            curve = self._value(peak, jnp.clip(t, 0.0, 1.0))
            ramp_steps = warmup_steps - self.warmup_endpoint
            return _warmed_up(step, curve, self.warmup_from, target, warmup_steps, ramp_steps)

        return learning_rate

    def _value(self, peak, t):
        floor = peak * self.final_fraction
        return floor + (peak - floor) * (1 + jnp.cos(math.pi * t)) / 2


@dataclasses.dataclass(frozen=True)
class Exponential:
    """peak * decay ** (epochs since the warm-up / epochs_per_decay); `staircase` rounds the exponent down."""

    decay: float = 0.97
    """Factor on the rate per `epochs_per_decay`."""
    epochs_per_decay: float = 0.5
    """Epochs between two decays."""
    staircase: bool = True
    """Decay at once at the end of each interval, instead of continuously."""
    warmup_epochs: float = 0.0
    """Epochs of linear warm-up; 0: none."""
    warmup_from: float = 0.0
    """Learning rate at the start of the warm-up."""

    def schedule(self, peak, *, epochs: float, steps_per_epoch: float) -> optax.Schedule:
        warmup_steps = whole_steps(self.warmup_epochs, steps_per_epoch)
        decay_steps = self.epochs_per_decay * steps_per_epoch

        def learning_rate(step):
            exponent = (_floating(step) - warmup_steps) / decay_steps
            exponent = jnp.floor(exponent + ROUNDING) if self.staircase else exponent
            return _warmed_up(step, peak * self.decay**exponent, self.warmup_from, peak, warmup_steps)

        return learning_rate


def trap(schedule: optax.Schedule, peak: float, total_steps: int) -> str:
    """Why a run of `total_steps` hardly learns at this schedule, as a sentence for the user; empty if nothing is wrong.

    A run shorter than its warm-up never reaches the peak, and a cosine that moves per epoch leaves a run of one epoch
    at its floor.
    """
    steps = np.unique(np.linspace(0, total_steps - 1, 1000).astype(int))
    rates = np.asarray(jax.vmap(schedule)(jnp.asarray(steps)))
    highest, last = rates.max(), len(rates) - 1
    if last > 0 and rates.argmax() == last:
        return (
            f"the learning rate still rises at the last of the {total_steps} steps, to {highest:.3g} (the peak is"
            f" {peak:.3g}): give more --config.epochs, or fewer --config.schedule.warmup_epochs."
        )
    if highest < peak / 2:
        return (
            f"the learning rate is at most {highest:.3g} in these {total_steps} steps (the peak is {peak:.3g}): give"
            " more --config.epochs, or --config.schedule.per=step to a cosine that moves per epoch."
        )
    return ""


def whole_steps(epochs: float, steps_per_epoch: float) -> int:
    """The number of steps in `epochs`, rounded down."""
    return math.floor(epochs * steps_per_epoch + ROUNDING)


def _warmed_up(step, value, start, target, warmup_steps: int, ramp_steps: int | None = None):
    """`value`, but in the warm-up a line from `start` that would reach `target` after `ramp_steps`."""
    if warmup_steps == 0:
        return value + 0 * _floating(step)  # an array of the floating type, whatever the peak is
    ramp = start + (target - start) * _floating(step) / max(ramp_steps or warmup_steps, 1)
    return jnp.where(step < warmup_steps, ramp, value)


def _epoch(step, steps_per_epoch: float) -> jax.Array:
    if float(steps_per_epoch).is_integer():
        return _floating(jnp.asarray(step) // int(steps_per_epoch))  # exact at any step
    return jnp.floor(_floating(step) / steps_per_epoch + ROUNDING)


def _floating(step) -> jax.Array:
    return jnp.asarray(step).astype(float)


def _check(field: str, value: str, valid: tuple[str, ...]) -> None:
    if value not in valid:
        raise InputError(f"the cosine schedule has no {field} '{value}': {nearest(value, valid)}")
