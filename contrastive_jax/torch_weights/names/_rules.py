"""Renaming by regular expressions, and the rules that several tables share."""

import re
from collections.abc import Callable, Iterable

Rule = tuple[str, str | Callable[[re.Match], str]]

LEAVES: list[Rule] = [
    (r"/(norm|dense)(/[^/]+)$", r"\2"),
    (r"/(kernel|scale)$", "/weight"),
    (r"/mean$", "/running_mean"),
    (r"/var$", "/running_var"),
]
"""The last component of a path, and the layer that our `BatchNorm` and `Linear` wrap."""


def rename(paths: Iterable[str], rules: Iterable[Rule]) -> dict[str, str]:
    """Every path with all rules applied in turn (`re.sub`), components joined by dots."""
    rules = list(rules)
    names = {}
    for path in paths:
        name = path
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        names[path] = name.replace("/", ".")
    return names


def minus_one(before: str, after: str = "") -> Callable[[re.Match], str]:
    """A replacement: `before`, the first group less 1 (our units count from 1, theirs from 0), `after`."""
    return lambda match: f"{before}{int(match[1]) - 1}{after}"
