"""The one exception that a user's bad input raises: a sentence that says what is wrong and what to do."""

import difflib
from collections.abc import Iterable


class InputError(Exception):
    """Bad input in one sentence; commands print it without a traceback and exit with status 2."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, with a sentence that says what was kept; commands print it and exit with status 130."""


class Stopped(Exception):
    """A signal stopped a run after it was saved, in one sentence; commands print it and exit with `status`."""

    def __init__(self, words: str, status: int):
        super().__init__(words)
        self.status = status


def nearest(name: str, valid: Iterable[str]) -> str:
    """`did you mean 'x'?` if something valid is close to `name`, else the list of what is valid."""
    valid = sorted(valid)
    close = closest(name, valid)
    return f"did you mean '{close}'?" if close else f"valid: {', '.join(valid)}."


def closest(name: str, valid: Iterable[str]) -> str | None:
    """What was meant by `name`: the most similar of `valid`, but a valid name with something behind it is that one."""
    close = difflib.get_close_matches(name, valid)
    return next((match for match in close if name.startswith(match)), close[0] if close else None)


def either(names: Iterable[str]) -> str:
    """`a, b or c`."""
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last
