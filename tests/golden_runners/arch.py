"""Golden family `arch`: names and shapes of all parameters and buffers, in PyTorch's layout.

Each file `arch_*.py` beside this one covers the networks of one codebase. Its `build(hyper)` returns
`({torch name: torch shape}, number of parameters)`, or None for a network of another codebase.
"""

import importlib
import json
import pathlib
import pkgutil

from golden_case import NotCovered


def run(fields, path):
    ours, total = build(fields["hyperparameters"])
    content = json.loads(path.read_text())
    expected = {
        name: tuple(shape)
        for name, shape in content["param_shapes"].items()
        if not name.endswith("num_batches_tracked")
    }
    assert ours.keys() == expected.keys(), sorted(ours.keys() ^ expected.keys())[:6]
    different = [
        f"{name} is {ours[name]} instead of {shape}"
        for name, shape in expected.items()
        if ours[name] != shape
    ]
    assert not different, different[:6]
    assert total == content["params_total"]


def build(hyper):
    for module in pkgutil.iter_modules([str(pathlib.Path(__file__).parent)]):
        if module.name.startswith("arch_"):
            found = importlib.import_module(f"golden_runners.{module.name}").build(hyper)
            if found is not None:
                return found
    raise NotCovered(f"network {hyper}")
