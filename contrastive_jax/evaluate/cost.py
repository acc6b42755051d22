"""What a network costs: multiply-adds, parameters and activations, counted in its jaxpr.

Counting needs no accelerator and no run: convolutions and matrix products are read off the traced program, those
inside `jit`, `custom_vjp`, `checkpoint`, `cond` and `scan` too. Only what an output depends on is counted for it.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

ALL = "all"
"""The cost of all outputs together."""


class Cost(NamedTuple):
    parameters: int
    """Numbers in the parameters that are used."""
    macs: int
    """Multiply-adds of convolutions and matrix products; a padded pixel counts like any other."""
    activations: int
    """Bytes of all arrays that convolutions and products read or write, each once and without weights: what a
    backward pass through layers with normalisation has to keep."""


def costs(function: Callable[..., Mapping[str, Any]], params: Any, state: Any, *data: Any) -> dict[str, Cost]:
    """Cost of each output of `function(params, state, *data) -> {name: tree of arrays}`, and of `ALL` of them.

    The arguments may be shapes (`jax.ShapeDtypeStruct`). Whatever depends on `data` is an activation.
    """
    program, shapes = jax.make_jaxpr(function, return_shape=True)(params, state, *data)
    given = [Value(v.aval) for v in program.jaxpr.invars]
    operations: list[Operation] = []
    returned = inline(program.jaxpr, given, operations)
    wanted: dict[str, list[Value]] = {name: [] for name in shapes}
    for (path, _), value in zip(jax.tree_util.tree_leaves_with_path(shapes), returned, strict=True):
        wanted[path[0].key].append(value)
    weights = given[: len(jax.tree.leaves(params))]
    moving = dependent(operations, set(given[len(jax.tree.leaves((params, state))) :]))
    return {
        name: cost(operations, values, weights, moving) for name, values in (wanted | {ALL: returned}).items()
    }


@dataclasses.dataclass(eq=False)
class Value:
    """One array of the program, compared by identity: JAX shares the variables of equal bodies between calls."""

    aval: Any


class Operation(NamedTuple):
    """An equation that calls nothing."""

    macs: int
    inputs: list[Value]
    outputs: list[Value]


def cost(operations: list[Operation], wanted: list[Value], weights: list[Value], moving: set[Value]) -> Cost:
    """The cost of the operations that lead to `wanted`, found by walking back from the end."""
    needed, macs, maps = set(wanted), 0, set()
    for operation in reversed(operations):
        if needed.isdisjoint(operation.outputs):
            continue
        needed.update(operation.inputs)
        macs += operation.macs
        if operation.macs:
            maps.update(moving.intersection([*operation.inputs, *operation.outputs]))
    parameters = sum(value.aval.size for value in weights if value in needed)
    return Cost(parameters, macs, sum(value.aval.size * value.aval.dtype.itemsize for value in maps))


def dependent(operations: list[Operation], data: set[Value]) -> set[Value]:
    """All values that depend on `data`."""
    for operation in operations:
        if not data.isdisjoint(operation.inputs):
            data.update(operation.outputs)
    return data


def inline(jaxpr: Jaxpr, given: list[Value], operations: list[Operation]) -> list[Value]:
    """What `jaxpr` returns for `given`; appends its `operations` in order, calls replaced by their bodies."""
    values = dict(zip(jaxpr.invars, given, strict=True))

    def read(variables: Any) -> list[Value]:
        return [
            Value(v.aval) if isinstance(v, Literal) else values.setdefault(v, Value(v.aval))
            for v in variables
        ]

    for equation in jaxpr.eqns:
        inputs = read(equation.invars)
        body = called(equation)
        if body is not None:
            outputs = inline(body, inputs, operations)
        else:
            outputs = [Value(v.aval) for v in equation.outvars]
            operations.append(Operation(equation_macs(equation), inputs, outputs))
        values |= zip(equation.outvars, outputs, strict=True)
    return read(jaxpr.outvars)


def called(equation: Any) -> Jaxpr | None:
    """The body that an equation runs once, as `jit`, `custom_jvp`, `custom_vjp` and `checkpoint` do."""
    bodies = inner(equation)
    if len(bodies) != 1 or equation.primitive.name in LOOPS:
        return None
    body = bodies[0]
    fits = len(body.invars) == len(equation.invars) and len(body.outvars) == len(equation.outvars)
    return body if fits else None


def inner(equation: Any) -> list[Jaxpr]:
    """All programs inside an equation."""
    found = []
    for parameter in equation.params.values():
        for value in parameter if isinstance(parameter, tuple | list) else [parameter]:
            if isinstance(value, ClosedJaxpr | Jaxpr):
                found.append(value.jaxpr if isinstance(value, ClosedJaxpr) else value)
    return found


def equation_macs(equation: Any) -> int:
    """Multiply-adds of an equation and whatever runs inside. Raises ValueError if a loop has no known length."""
    name = equation.primitive.name
    if name == "conv_general_dilated":
        kernel = equation.invars[1].aval
        outputs = kernel.shape[equation.params["dimension_numbers"].rhs_spec[0]]
        return equation.outvars[0].aval.size * (kernel.size // outputs)
    if name == "dot_general":
        (contracted, _), _ = equation.params["dimension_numbers"]
        lengths = [equation.invars[0].aval.shape[axis] for axis in contracted]
        return equation.outvars[0].aval.size * math.prod(lengths)
    bodies = [body_macs(body) for body in inner(equation)]
    if not any(bodies):
        return 0
    if name not in LOOPS or name == "while":
        raise ValueError(f"convolutions or matrix products inside '{name}' cannot be counted.")
    return max(bodies) * equation.params.get("length", 1)


def body_macs(jaxpr: Jaxpr) -> int:
    operations: list[Operation] = []
    inline(jaxpr, [Value(v.aval) for v in jaxpr.invars], operations)
    return sum(operation.macs for operation in operations)


LOOPS = ("scan", "while", "cond")
"""Equations whose bodies run several times or in turn: a scan `length` times, of a cond the costliest branch."""
