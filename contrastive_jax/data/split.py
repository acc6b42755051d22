"""The split expressions of all sources: `train`, `test`, `train[:90%]`, `train[90%:]`, `train[100:200]`.

This is the subset of tensorflow-datasets' grammar for one contiguous range, with the same rounding, so an expression
selects the same range whichever source reads it.
"""

import dataclasses
import re
from collections.abc import Iterable

from contrastive_jax.errors import InputError, nearest

TRAIN_AND_TEST = ("train", "test")

_BOUND = r"\d+%?"
_EXPRESSION = re.compile(rf"(\w+)(?:\[({_BOUND})?:({_BOUND})?\])?")


class MissingSplit(InputError):
    """The data set has no split of that name."""


@dataclasses.dataclass(frozen=True)
class Split:
    """A parsed expression: a stored split and a range of it. An empty bound means the start or the end."""

    name: str
    start: str
    stop: str

    def rows(self, size: int) -> slice:
        """The range in a stored split of `size` examples.

        Raises:
          InputError: the range is empty or ends after the split.
        """
        start = _position(self.start, size) if self.start else 0
        stop = _position(self.stop, size) if self.stop else size
        if not 0 <= start < stop <= size:
            raise InputError(
                f"split '{self}' selects examples {start} to {stop} of {size}; "
                "choose a range that is not empty and is inside the split."
            )
        return slice(start, stop)

    def __str__(self) -> str:
        return f"{self.name}[{self.start}:{self.stop}]" if self.start or self.stop else self.name


def parse_split(expression: str, names: Iterable[str] = TRAIN_AND_TEST) -> Split:
    """Parses `name` or `name[from:to]`, with bounds in examples or percent.

    Raises:
      MissingSplit: `name` is not one of `names`.
      InputError: the expression has another form.
    """
    match = _EXPRESSION.fullmatch(expression.strip())
    if not match:
        raise InputError(
            f"split '{expression}' is not valid; write it as train, train[:90%], train[90%:] or train[100:200]."
        )
    name, start, stop = match.groups(default="")
    if name not in names:
        raise MissingSplit(f"there is no split '{name}'; {nearest(name, names)}")
    return Split(name, start, stop)


def _position(bound: str, size: int) -> int:
    """A bound such as `90%`, rounded to the nearest example as in tensorflow-datasets, or `100`."""
    return round(int(bound[:-1]) * size / 100) if bound.endswith("%") else int(bound)
