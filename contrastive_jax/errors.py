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
    close = difflib.get_close_matches(name, valid, n=1)
    return f"did you mean '{close[0]}'?" if close else f"valid: {', '.join(valid)}."
