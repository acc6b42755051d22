"""Renaming paths by regular expressions, and the rules that several tables of names share."""

import re
from collections.abc import Callable, Iterable

Rule = tuple[str, str | Callable[[re.Match], str]]
"""Pattern and replacement of `re.sub`."""

LEAVES: list[Rule] = [
    (r"/(norm|dense)(/[^/]+)$", r"\2"),
    (r"/(kernel|scale)$", "/weight"),
    (r"/mean$", "/running_mean"),
    (r"/var$", "/running_var"),
]
"""Renames the last component of a path, and removes the layer that our `BatchNorm` and `Linear` wrap."""


def rename(paths: Iterable[str], rules: Iterable[Rule]) -> dict[str, str]:
    """`{path: name}`: every path with all rules applied in turn, and dots between components."""
    rules = list(rules)
    names = {}
    for path in paths:
        name = path
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        names[path] = name.replace("/", ".")
    return names


def minus_one(before: str, after: str = "") -> Callable[[re.Match], str]:
    """A replacement: `before`, the first group less 1, `after`. Our units count from 1, PyTorch's from 0."""
    return lambda match: f"{before}{int(match[1]) - 1}{after}"
