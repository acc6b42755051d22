"""Shows the doctests of docstrings as code: in Markdown, `>>>` begins a quotation."""

import re
from typing import Any

import griffe


class Doctests(griffe.Extension):
    """Puts fences around every run of lines that begins with `>>>`, up to the next empty line."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring:
            obj.docstring.value = fenced(obj.docstring.value)


def fenced(text: str) -> str:
    """The docstring with fences around its doctests."""
    lines: list[str] = []
    fence = ""
    for line in [*text.splitlines(), ""]:
        begins = re.match(r"(\s*)>>> ", line)
        if begins and not fence:
            fence = begins[1] + "```"
            lines.append(fence + "pycon")
        elif fence and not line.strip():
            lines.append(fence)
            fence = ""
        lines.append(line)
    return "\n".join(lines[:-1])
