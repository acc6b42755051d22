"""The one exception that a user's bad input raises: a sentence that says what is wrong and what to do."""

import difflib
from collections.abc import Iterable


class InputError(Exception):
    """Bad input in one sentence; commands print it without a traceback and exit with status 2."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """`did you mean 'x'?` if something valid is close to `name`, else the list of what is valid."""
    valid = sorted(valid)
    close = difflib.get_close_matches(name, valid, n=1)
    return f"did you mean '{close[0]}'?" if close else f"valid: {', '.join(valid)}."


def either(names: Iterable[str]) -> str:
    """`a, b or c`."""
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last
