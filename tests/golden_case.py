"""One golden case of the losses folder: its fields, its arrays, and how an answer to it is checked.

A family's runner (`tests/golden_runners/<family>.py`) turns the fields into a `Plan`: which of our functions
computes which of the case's arrays. Values and gradients are then computed and compared here, by
`golden/FORMAT.md` alone.
"""

import dataclasses
import json
import pathlib
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from golden_report import NotCovered


@dataclasses.dataclass(frozen=True)
class Case:
    fields: Mapping
    arrays: Mapping[str, np.ndarray]

    def hyper(self, name: str):
        """A hyper-parameter; without it the case cannot be computed, and nothing is guessed."""
        try:
            return self.fields["hyperparameters"][name]
        except KeyError:
            raise NotCovered(f"no hyper-parameter '{name}'") from None

    def has(self, name: str) -> bool:
        return name in self.fields["hyperparameters"]

    def indexed(self, prefix: str) -> list[str]:
        """`in_sub0`, `in_sub1`, ... as far as they go, for prefix `in_sub`."""
        names = []
        while f"{prefix}{len(names)}" in self.arrays:
            names.append(f"{prefix}{len(names)}")
        return names

    def one_of(self, name: str, known: Mapping):
        """The entry of `known` that a field or hyper-parameter names."""
        return self.known(self.fields[name] if name in self.fields else self.hyper(name), known)

    def known(self, value, known: Mapping):
        if value not in known:
            raise NotCovered(f"'{value}' is none of {', '.join(map(str, known))}")
        return known[value]


@dataclasses.dataclass(frozen=True)
class Plan:
    values: Callable[[dict], dict]
    """From all `in_*` arrays to values by name: every `out_*` array that is no gradient, and what else is
    differentiated."""
    gradients: Mapping[str, tuple | list] = dataclasses.field(default_factory=dict)
    """Gradient array -> (value, input), or a list of (value, input, index) whose slices are stacked."""


def load_cases(folder: pathlib.Path) -> list[dict]:
    return json.loads((folder / "manifest.json").read_text())["cases"]


def bindings(fields: Mapping, arrays: Mapping) -> dict[str, str]:
    """Which array each `out_*` array of ours is compared with (`target`, `target_by_array`)."""
    exceptions = fields.get("target_by_array") or {}
    bound = {}
    for name in (name for name in arrays if name.startswith("out_")):
        target = fields["target"]
        if name in exceptions:
            target = exceptions[name]
        elif target == "out" or not name.startswith("out_grad"):
            target = name
        elif target.startswith("ref:"):
            target = target.removeprefix("ref:")
        else:
            raise NotCovered(f"target '{target}'")
        if target is not None:
            bound[name] = target
    return bound


def check(case: Case, plan: Plan) -> None:
    """Compute and compare every bound array; assert with all that differ."""
    bound = bindings(case.fields, case.arrays)
    answers = compute(case, plan, bound)
    tolerance = case.fields["suggested_tolerance"]
    wrong = []
    for name, target in bound.items():
        ours, theirs = np.asarray(answers[name], np.float64), case.arrays[target].astype(np.float64)
        if ours.shape != theirs.shape:
            wrong.append(f"{name}: shape {ours.shape} instead of {theirs.shape}")
        elif not np.allclose(ours, theirs, **tolerance):
            wrong.append(f"{name}: off by {np.max(np.abs(ours - theirs)):.3g} from {target}")
    assert not wrong, "; ".join(wrong)


def compute(case: Case, plan: Plan, wanted) -> dict[str, np.ndarray]:
    """The wanted arrays. One compilation: one forward pass, one backward pass per differentiated value."""
    inputs = {name: _in_dtype(a, case.fields["dtype"]) for name, a in case.arrays.items() if _is_input(name)}
    smooth = {name: a for name, a in inputs.items() if jnp.issubdtype(a.dtype, jnp.floating)}
    fixed = {name: a for name, a in inputs.items() if name not in smooth}
    missing = sorted(n for n in wanted if n.startswith("out_grad") and n not in plan.gradients)
    if missing:
        raise NotCovered(f"no gradient of ours is {', '.join(missing)}")
    gradients = {name: plan.gradients[name] for name in wanted if name.startswith("out_grad")}

    def everything(smooth):
        values, pull = jax.vjp(lambda smooth: plan.values(smooth | fixed), smooth)
        pulled = _pull_all(pull, values, {v: 0 for terms in gradients.values() for v, *_ in _terms(terms)})
        return values | {name: _assemble(terms, pulled) for name, terms in gradients.items()}

    # Compiling is most of a case's time: no optimisation of code that runs once.
    fast = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
    answers = jax.jit(everything, compiler_options=fast)(smooth)
    missing = sorted(set(wanted) - set(answers))
    if missing:
        raise NotCovered(f"nothing of ours computes {', '.join(missing)}")
    return answers


def _is_input(name: str) -> bool:
    return name.startswith("in_")


def _in_dtype(array: np.ndarray, dtype: str) -> jax.Array:
    return jnp.asarray(array, dtype if np.issubdtype(array.dtype, np.floating) else None)


def _terms(terms):
    return terms if isinstance(terms, list) else [terms]


def _pull_all(pull, values: dict, wanted) -> dict:
    """Value -> gradients by input, of all wanted values in one batched backward pass."""
    if not wanted:
        return {}
    seeds = [{n: jnp.full_like(v, float(n == name)) for n, v in values.items()} for name in wanted]
    (pulled,) = jax.vmap(pull)(jax.tree.map(lambda *s: jnp.stack(s), *seeds))
    return {name: {of: g[i] for of, g in pulled.items()} for i, name in enumerate(wanted)}


def _assemble(terms, pulled):
    if isinstance(terms, list):
        return jnp.stack([pulled[value][name][index] for value, name, index in terms])
    value, name = terms
    return pulled[value][name]
