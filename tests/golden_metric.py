"""One golden case of the metrics folder: strict access to what it holds, and how an answer is compared."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from golden_case import NotCovered

__all__ = ["MetricCase", "NotCovered", "Within", "compare"]


@dataclasses.dataclass(frozen=True)
class Within:
    """An answer that may differ by `atol`, for a reason that the case itself states."""

    value: Any
    atol: Any


@dataclasses.dataclass(frozen=True)
class MetricCase:
    params: Mapping[str, Any]
    arrays: Mapping[str, Any]

    def expect(self, *, params: str = "", arrays: str = "") -> None:
        """Refuses a case that says more than the runner reads; `arrays` holds regular expressions."""
        unknown = sorted(set(self.params) - set(params.split()))
        patterns = arrays.split()
        unknown += [name for name in self.arrays if not any(re.fullmatch(p, name) for p in patterns)]
        if unknown:
            raise NotCovered(f"it holds {', '.join(unknown)}")

    def param(self, name: str):
        if name not in self.params:
            raise NotCovered(f"no parameter '{name}'")
        return self.params[name]

    def number(self, name: str) -> float:
        return float(self.param(name))

    def choice(self, name: str, *known: str):
        """A parameter whose value must be one of those that the runner understands."""
        if self.param(name) not in known:
            raise NotCovered(f"{name} = '{self.param(name)}'")
        return self.param(name)

    def array(self, name: str) -> np.ndarray:
        if name not in self.arrays:
            raise NotCovered(f"no array '{name}'")
        return self.arrays[name]

    def named(self, prefix: str) -> dict[str, np.ndarray]:
        """Arrays by what follows the prefix in their names."""
        return {name.removeprefix(prefix): a for name, a in self.arrays.items() if name.startswith(prefix)}


def compare(answers: Mapping[str, Any], arrays: Mapping[str, Any], fields: Mapping) -> None:
    """Each bound `out_*` array against ours, with the case's tolerance; asserts with all that differ."""
    if fields.get("target", "out") != "out":
        raise NotCovered(f"target '{fields['target']}'")
    bound = {name: name for name in arrays if name.startswith("out_")} | (fields.get("target_by_array") or {})
    bound = {name: target for name, target in bound.items() if target is not None}
    if missing := sorted(set(bound) - set(answers)):
        raise NotCovered(f"no answer for {', '.join(missing)}")
    wrong = []
    for name, target in bound.items():
        answer = answers[name] if isinstance(answers[name], Within) else Within(answers[name], 0.0)
        ours, theirs = numbers(answer.value), numbers(arrays[target])
        allowed = fields["atol"] + answer.atol + fields["rtol"] * np.abs(theirs)
        if ours.shape != theirs.shape:
            wrong.append(f"{name}: shape {ours.shape}, not {theirs.shape}")
        elif not np.all((np.abs(ours - theirs) <= allowed) | (np.isnan(ours) & np.isnan(theirs))):
            wrong.append(f"{name}: differs by up to {np.nanmax(np.abs(ours - theirs)):.3g}")
    assert not wrong, "; ".join(wrong)


def numbers(value: Any) -> np.ndarray:
    """An array as float64; a record becomes the array of its values in the order of its keys."""
    values = [value[key] for key in sorted(value)] if isinstance(value, Mapping) else value
    return np.asarray(values, np.float64)
