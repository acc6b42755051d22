"""Writes the notebook form of the examples: every `# %%` of a script begins a cell, its comment is the text above it.

    python examples/notebooks.py

The scripts are the source and the notebooks are made from them; `tests/docs/test_examples.py` compares the two.
"""

import ast
import json
import pathlib
import re
from typing import Any

HERE = pathlib.Path(__file__).parent
SCRIPTS = (HERE / "supcon_in_plain_jax.py", HERE / "own_pictures" / "own_pictures.py")


def notebook(script: pathlib.Path) -> str:
    """The JSON of the notebook of one script."""
    source = script.read_text()
    docstring, code = str(ast.get_docstring(ast.parse(source))), source.split('"""', 2)[2]
    cells = [cell("markdown", docstring)]
    for part in re.split(r"^# %% ?", code, flags=re.MULTILINE):
        text, _, lines = part.partition("\n") if cells[1:] or not part.startswith("\n") else ("", "", part)
        cells += [cell("markdown", text)] if text else []
        cells += [cell("code", lines.strip())] if lines.strip() else []
    for number, found in enumerate(cells):
        found["id"] = f"cell-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    content = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(content, indent=1) + "\n"


def cell(kind: str, text: str) -> dict[str, Any]:
    outputs = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {"cell_type": kind, "metadata": {}, **outputs, "source": text.splitlines(keepends=True)}


if __name__ == "__main__":
    for script in SCRIPTS:
        script.with_suffix(".ipynb").write_text(notebook(script))
        print(script.with_suffix(".ipynb"))
