"""What a caller passes to a public loss is checked in the caller's words.

A loss's signature is its schema: `checked` reads shapes and dtypes from the jaxtyping annotations. Shapes are static,
so the checks also work under `jit`, `grad` and `vmap`, where they run once, while tracing. A loss that calls another
loss does not check twice.
"""

import functools
import inspect
import threading
import typing
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np
from jax.core import Tracer

from contrastive_jax.errors import InputError

F = TypeVar("F", bound=Callable[..., Any])
POSITIVE = ("tau", "soft")
FEW = 4
"""Samples whose lengths are measured."""
ROUNDING = 0.02
"""How far a unit vector in bfloat16 may be from length 1."""


class UnnormalizedWarning(UserWarning):
    """Embeddings are not of unit length in a loss that compares directions.

    Only concrete arrays can be measured: nothing is reported under `jit`, `grad` or `vmap`. The first few samples on
    this process's first device are measured; a zero vector counts as normalised. If the lengths are intended, silence
    it with `warnings.simplefilter("ignore", losses.UnnormalizedWarning)`.
    """


def checked(*unit_length: str) -> Callable[[F], F]:
    """Decorates a public loss. Arguments in `unit_length` are embeddings that should have length 1."""

    def decorate(fn: F) -> F:
        signature, expected = inspect.signature(fn), dict(_expectations(fn))

        @functools.wraps(fn)
        def check_and_run(*args: Any, **kwargs: Any) -> Any:
            if getattr(_thread, "inside", False):
                return fn(*args, **kwargs)
            try:
                given = signature.bind(*args, **kwargs).arguments
            except TypeError:
                return fn(*args, **kwargs)  # Python's own message names the function
            _check(fn.__name__, expected, given)
            message = _unnormalized(fn.__name__, {name: given[name] for name in unit_length})
            if message:
                warnings.warn(message, UnnormalizedWarning, stacklevel=2)
            _thread.inside = True
            try:
                return fn(*args, **kwargs)
            finally:
                _thread.inside = False

        raises = "Raises:\n  InputError: a shape, dtype or temperature that does not fit."
        check_and_run.__doc__ = f"{inspect.getdoc(fn)}\n\n{raises}\n"
        return typing.cast(F, check_and_run)

    return decorate


_thread = threading.local()


class _Expected(NamedTuple):
    """One array of a signature, or a sequence of such arrays."""

    dims: tuple[str, ...]
    dtypes: Sequence[str] | None
    """None: any."""
    several: bool

    def __str__(self) -> str:
        return f"[{', '.join(self.dims)}]"


class _Size(NamedTuple):
    length: Any
    of: str
    """The argument that has it."""


def _expectations(fn: Callable[..., Any]) -> Iterator[tuple[str, _Expected]]:
    for name, hint in typing.get_type_hints(fn).items():
        several = typing.get_origin(hint) is Sequence
        array = typing.get_args(hint)[0] if several else hint
        if name != "return" and hasattr(array, "dim_str"):
            dtypes = array.dtypes if isinstance(array.dtypes, (list, tuple)) else None
            yield name, _Expected(tuple(array.dim_str.split()), dtypes, several)


def _check(loss: str, expected: Mapping[str, _Expected], given: Mapping[str, Any]) -> None:
    sizes: dict[str, _Size] = {}
    for name, wanted in expected.items():
        if name not in given:
            continue
        arrays = {name: given[name]}
        if wanted.several:
            arrays = {f"{name}[{i}]": array for i, array in enumerate(given[name])}
        for called, array in arrays.items():
            _check_array(loss, called, array, wanted, sizes)
    for name in POSITIVE:
        value = given.get(name)
        known = isinstance(value, (int, float, np.number)) or (
            isinstance(value, (np.ndarray, jax.Array)) and not isinstance(value, Tracer)
        )
        if known and not np.all(np.asarray(value) > 0):
            raise InputError(f"{name} is {value}; {loss} expects a number above 0.")


def _check_array(loss: str, called: str, array: Any, wanted: _Expected, sizes: dict[str, _Size]) -> None:
    shape = getattr(array, "shape", None)
    if shape is None:
        kind = type(array).__name__
        raise InputError(f"{called} is of type {kind}; {loss} expects an array: jnp.asarray({called}).")
    axes = _by_name(wanted.dims, shape)
    if axes is None:
        raise InputError(
            f"{called} has shape {shape}; {loss} expects {wanted}{_advice(called, wanted, shape)}"
        )
    for dim, length in axes:
        size = _needed(dim, sizes)
        if size is None:
            sizes[dim] = _Size(length, called)
        elif size.length != length:
            why = f" with {dim} = {size.length}, as in {size.of}" if size.of else ""
            raise InputError(f"{called} has shape {shape}; {loss} expects {wanted}{why}.")
    if wanted.dtypes is not None and str(array.dtype) not in wanted.dtypes:
        raise InputError(f"{called} has dtype {array.dtype}; {loss} expects {_kind(called, wanted.dtypes)}.")


def _by_name(dims: tuple[str, ...], shape: tuple[int, ...]) -> list[tuple[str, Any]] | None:
    """Every axis by its name; `*batch` takes as many as are left. None where the number of axes differs."""
    more = len(shape) - len(dims)
    for place, dim in enumerate(dims):
        if dim.startswith("*") and more >= -1:
            rest = place + more + 1
            before, after = zip(dims, shape[:place]), zip(dims[place + 1 :], shape[rest:])
            return [*before, (dim, shape[place:rest]), *after]
    return None if more else list(zip(dims, shape))


def _needed(dim: str, sizes: Mapping[str, _Size]) -> _Size | None:
    """The length an axis must have: a number, a multiple like `2*sample`, or what an earlier argument has."""
    factor, times, name = dim.rpartition("*") if not dim.startswith("*") else ("", "", dim)
    if name.isdigit():
        return _Size(int(name), "")
    size = sizes.get(name)
    return size._replace(length=int(factor) * size.length) if size and times else size


def _advice(called: str, wanted: _Expected, shape: tuple[int, ...]) -> str:
    dims = wanted.dims
    if dims == ("sample",) and wanted.dtypes and "int32" in wanted.dtypes:
        return f": class indices. For one-hot rows pass jnp.argmax({called}, axis=-1)."
    if len(dims) == len(shape) + 1 >= 3:
        if dims[1].isdigit():
            return ": stack both views with jnp.stack([first, second], axis=1)."
        return f": add the {dims[1]} axis with {called}[:, None]."
    if dims == ("sample", "dim") and len(shape) == 3:
        return f": pass one view at a time, {called}[:, 0]."
    return "."


def _kind(called: str, dtypes: Sequence[str]) -> str:
    if "int32" in dtypes:
        return f"signed whole numbers: {called}.astype(int)"
    return "booleans" if "bool" in dtypes else "floating-point numbers"


def _unnormalized(loss: str, embeddings: Mapping[str, Any]) -> str | None:
    """What to warn of, or None."""
    for name, value in embeddings.items():
        several = isinstance(value, (list, tuple))
        named = {f"{name}[{i}]": z for i, z in enumerate(value)} if several else {name: value}
        for called, z in named.items():
            lengths = np.linalg.norm(_first_rows(z), axis=-1)
            wrong = lengths[(lengths > 0) & (np.abs(lengths - 1) > ROUNDING)]
            if wrong.size:
                return (
                    f"{called} has a row of length {wrong[0]:.3g}; {loss} expects unit length: "
                    f"pass losses.l2_normalize({called})."
                )
    return None


def _first_rows(z: Any) -> np.ndarray:
    """The first samples that this process holds; none of a traced array."""
    if isinstance(z, Tracer):
        return np.empty((0, 1))
    if isinstance(z, jax.Array):
        if not z.addressable_shards:
            return np.empty((0, 1))
        z = z.addressable_shards[0].data
    with jax.ensure_compile_time_eval():  # a constant inside a traced function is concrete too
        return np.asarray(z[:FEW], np.float64)
