"""Golden family `arch`: names and shapes of all parameters and buffers, in torch layout.

Every file `arch_*.py` beside this one covers the networks of one codebase: `build(hyper)` returns
`({torch name: torch shape}, number of parameters)`, or None for fields that are not its own.
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
        f"{name}: {ours[name]} is {shape} there" for name, shape in expected.items() if ours[name] != shape
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
