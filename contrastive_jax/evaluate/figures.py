"""Figures as `evaluate` reports them: with an interval over test examples, a spread over seeds, or both."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from contrastive_jax.evaluate import intervals


class Figure(NamedTuple):
    """A number and what is known of its uncertainty."""

    value: float
    """The mean over the seeds."""
    interval: tuple[float, float] | None = None
    """The 95 % bootstrap interval over test examples."""
    std: float | None = None
    """Standard deviation over the seeds (n - 1)."""
    by_seed: tuple[float, ...] | None = None

    def __str__(self) -> str:
        """`93.12 ± 0.10 [92.61, 93.60]`, or `0.0312 ± 0.0004` where there is no interval."""
        style = ".2f" if self.interval else ".4g"
        words = format(self.value, style)
        if self.std is not None:
            words += f" ± {self.std:.2g}"
        if self.interval:
            words += " [{:.2f}, {:.2f}]".format(*self.interval)
        return words


Table = Mapping[str, Mapping[str, Figure]]
"""{row: {column: figure}}; a row may lack columns."""


class Found(NamedTuple):
    """What an evaluation finds."""

    table: Table
    details: Mapping[str, Any]
    """The rest of its record, as JSON can hold it."""


def share(hits: Sequence[Any] | Bool[np.ndarray, "..."] | Float[np.ndarray, "..."]) -> Figure:
    """A share of test examples in percent, from whether each counts (or how much, from 0 to 1).

    Args:
      hits: [n], or [seeds, n] for something random. The interval is that of the mean over the seeds, since all seeds
        are tested on the same examples.
    """
    hits = np.asarray(hits, np.float64)
    interval = intervals.accuracy(hits.mean(axis=0) if hits.ndim == 2 else hits)
    bounds = (interval.low, interval.high)
    if hits.ndim == 1:
        return Figure(interval.value, bounds)
    return over_seeds(100 * hits.mean(axis=1))._replace(interval=bounds)


def over_seeds(values: Sequence[float] | Float[np.ndarray, " seeds"]) -> Figure:
    """A number for each seed; the spread is known from two seeds on."""
    found = tuple(map(float, values))
    std = float(np.std(found, ddof=1)) if len(found) > 1 else None
    return Figure(float(np.mean(found)), None, std, found)


def text(table: Table, corner: str) -> str:
    """The table as text. corner: what the rows are."""
    columns = list(dict.fromkeys(column for row in table.values() for column in row))
    rows = [(corner, *columns)]
    rows += [(name, *(str(row.get(column, "")) for column in columns)) for name, row in table.items()]
    return aligned(rows)


def aligned(rows: Sequence[tuple[str, ...]]) -> str:
    """Rows of cells in columns, the first aligned on the left and the others on the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    )
