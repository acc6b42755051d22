"""How the rows of a resident data set reach the step: several steps in one dispatch."""

import math
from collections.abc import Callable, Generator

import jax
import numpy as np
from jaxtyping import Int

LARGEST_DISPATCH = 32
"""Steps in one program. More would gain nothing and make the run deaf to a preemption for longer."""


def dispatches(
    rows_at: Callable[[int], Int[np.ndarray, " batch"]], *, first: int, total: int, at_once: int
) -> Generator[Int[np.ndarray, "step batch"]]:
    """The rows of the steps from `first` to `total`, `at_once` steps at a time.

    A dispatch ends at the next multiple of `at_once`, so that logging and checkpoints fall on its boundaries wherever a
    run is resumed.
    """
    number = first
    while number < total:
        count = min(at_once - number % at_once, total - number)
        yield np.stack([rows_at(step) for step in range(number, number + count)])
        number += count


def steps_at_once(*periods: int) -> int:
    """The steps of one dispatch: the largest number up to 32 that divides all periods (logging, checkpoints).

    One on CPU, where XLA runs the convolutions of a loop on a single core: sixteen times slower, measured.
    """
    if jax.default_backend() == "cpu":
        return 1
    common = math.gcd(*periods)  # 0 without periods, which every number divides
    return max(k for k in range(1, LARGEST_DISPATCH + 1) if common % k == 0)
