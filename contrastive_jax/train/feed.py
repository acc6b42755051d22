"""What brings batches to the step: the data set in device memory, or a stream from the host, with equal batches."""

import math
from collections.abc import Callable, Generator, Iterator
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from contrastive_jax.data.resident import Resident
from contrastive_jax.methods import Batch
from contrastive_jax.train.state import TrainState
from contrastive_jax.train.step import Dispatch, Metrics, Step

LARGEST_DISPATCH = 32
"""Steps in one program. More would gain nothing and make the run deaf to a preemption for longer."""


@runtime_checkable
class Feed(Protocol):
    at_once: int
    """Steps per dispatch."""

    def run(self, state: TrainState, first: int, count: int) -> tuple[TrainState, Metrics]:
        """Steps `first` to `first + count - 1`; metrics `[step]`. Called with rising `first`."""
        ...

    def close(self) -> None:
        """Ends what works in the background."""
        ...


class FromDevice:
    """Batches are gathered on the device, `at_once` steps in one program."""

    def __init__(
        self,
        dispatch: Dispatch,
        data: Resident,
        rows_at: Callable[[int], Int[np.ndarray, " batch"]],
        at_once: int,
    ):
        self.at_once = at_once
        self._dispatch, self._data, self._rows_at = dispatch, data, rows_at

    def run(self, state: TrainState, first: int, count: int) -> tuple[TrainState, Metrics]:
        rows = np.stack([self._rows_at(step) for step in range(first, first + count)])
        return self._dispatch(state, self._data, rows)

    def close(self) -> None:
        pass


class FromHost:
    """Batches come from an iterator that `batches(first_step)` opens."""

    at_once = 1

    def __init__(self, step: Step, batches: Callable[[int], Iterator[Batch]]):
        self._step, self._open = step, batches
        self._batches: Iterator[Batch] | None = None

    def run(self, state: TrainState, first: int, count: int) -> tuple[TrainState, Metrics]:
        self._batches = self._batches or self._open(first)
        found = []
        for _ in range(count):
            state, metrics = self._step(state, next(self._batches))
            found.append(metrics)
        return state, jax.tree.map(lambda *x: jnp.stack(x), *found)

    def close(self) -> None:
        if isinstance(self._batches, Generator):
            self._batches.close()


def steps_at_once(*periods: int) -> int:
    """The steps of one dispatch: the largest number up to 32 that divides all periods (logging, checkpoints).

    One on CPU, where XLA runs the convolutions of a loop on a single core: sixteen times slower, measured.
    """
    if jax.default_backend() == "cpu":
        return 1
    common = math.gcd(*periods)
    return max(k for k in range(1, LARGEST_DISPATCH + 1) if common % k == 0)
