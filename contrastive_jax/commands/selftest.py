"""Proves on your devices that no loss depends on how it is computed, or checks a method of yours.

    python -m contrastive_jax selftest
    python -m contrastive_jax selftest --method=my_lab.methods:BarlowTwins

Every loss that the similarity engine computes, value and gradient, in each implementation on all devices and in `auto`
on fewer, is compared with the whole matrix on one device. A machine with only a CPU simulates eight devices. `--full`
takes every loss, also those without an `impl`, and every implementation on every number of devices. The losses are
found, not listed: a public function of `losses` or `losses.variants` whose arguments are annotated arrays is one.

`--method` runs the conformance suite of the built-in methods (`contrastive_jax.conformance`) on that method instead.
"""

import concurrent.futures
import contextlib
import dataclasses
import functools
import inspect
import math
import os
import time
import traceback
import typing
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from contrastive_jax import losses
from contrastive_jax.config.flags import Command, Flag
from contrastive_jax.errors import InputError
from contrastive_jax.parallel.mesh import batch_sharding, make_mesh, replicated

LENGTHS = dict(view=2, exit=3, layer=3, copy=2, dim=16, dim_s=16, dim_t=8, slot=24, example=24, label=3)
LENGTHS |= {"class": 10, "direction": 16, "positive": 2, "negative": 6}
SCALARS = dict(tau=0.2, alpha=0.7, beta=0.7, cap=2, soft=3.0)
CLASSES = 5
IMPLS = ("dense", "blockwise", "ring")
QUICK_TO_COMPILE = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
AT_A_TIME = 8
"""Losses whose programs are held in memory together."""
TOLERANCE = 1e-4  # of the largest entry, in float32; an error of the method is of order 1


def selftest(*, full: bool = False, only: str = "", method: str = "") -> int:
    """Runs the proofs; returns the exit status, 1 if one fails."""
    # A machine with only a CPU simulates eight devices; in a process that has used jax, it keeps those it has.
    with contextlib.suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", 8)
    return check_method(method) if method else check_losses(full, only)


def check_losses(full: bool, only: str) -> int:
    """Prints the table of losses; returns the exit status."""
    started = time.perf_counter()
    devices = jax.devices()
    cases = [case for case in discover() if only in case.name and (case.engine or full)]
    if not cases:
        raise InputError(f"no loss's name contains '{only}'.")
    print(f"{len(devices)} x {devices[0].device_kind}, jax {jax.__version__}")
    print("Largest error of value or gradient, relative to the whole matrix on one device:\n")
    columns = plan(len(devices), full)
    failed = table(cases, columns)
    print(
        f"\n{len(cases) - failed} of {len(cases)} losses are the same everywhere (limit {TOLERANCE:.0e}), ",
        end="",
    )
    print(f"{time.perf_counter() - started:.0f} s.")
    return 1 if failed else 0


def check_method(name: str) -> int:
    """Prints a line per check of the method's conformance; returns the exit status."""
    from contrastive_jax import conformance  # the losses alone need no training stack

    checks = list(conformance.checks(name))
    width = max((len(title) for title, _ in checks), default=0)
    failed = 0
    for title, check in checks:
        print(f"{title:{width}}  ", end="", flush=True)
        try:
            check()
        except InputError:
            raise
        except (
            Exception
        ) as error:  # an error in the method is a check that fails, and the others may still pass
            failed += 1
            print(f"FAILS  {type(error).__name__}: {' '.join(str(error).split())}", flush=True)
            traceback.print_exc()
        else:
            print("ok", flush=True)
    print(f"\n{len(checks) - failed} of {len(checks)} checks of '{name}' pass.")
    return 1 if failed else 0


@dataclasses.dataclass(frozen=True)
class Case:
    """One loss, and what it wants to be called with."""

    name: str
    fn: Callable[..., Any]
    arrays: dict[str, Any]
    """Parameter name -> jaxtyping annotation, or a tuple of them for a sequence of arrays."""
    scalars: dict[str, float]
    engine: bool
    """It takes `impl`."""


def plan(devices: int, full: bool) -> list[tuple[str, int]]:
    """The table's columns: (implementation, number of devices)."""
    fewer = [2**i for i in range(1, devices.bit_length()) if 2**i < devices]
    if full:
        return [(impl, n) for n in (1, *fewer, devices) for impl in ("auto", *IMPLS)]
    return [(impl, devices) for impl in IMPLS] + [("auto", n) for n in fewer]


def table(cases: Sequence[Case], columns: Sequence[tuple[str, int]]) -> int:
    """Prints a line per loss; returns how many failed."""
    width = max((len(case.name) for case in cases), default=0)
    print(" " * width, *(f"{impl:>9}" for impl, _ in columns))
    print(" " * width, *(f"{f'on {n}':>9}" for _, n in columns))
    samples = 2 * math.lcm(*(n for _, n in columns))
    failed = 0
    # Compiling is nearly all of the work, and leaves Python free; programs run one at a time, in order.
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for first in range(0, len(cases), AT_A_TIME):
            failed += lines(pool, cases[first : first + AT_A_TIME], columns, samples, width)
            jax.clear_caches()  # a process may map only so many programs into memory
    return failed


def lines(pool, cases: Sequence[Case], columns: Sequence[tuple[str, int]], samples: int, width: int) -> int:
    """Compiles these cases together and prints their lines; returns how many failed."""
    failed, pending = 0, []
    for case in cases:
        make_ready = functools.partial(compile_case, case, make(case, samples))
        jobs = [pool.submit(make_ready, impl, n) for impl, n in [("dense", 1), *columns]]
        pending.append((case, jobs))
    for case, (reference, *others) in pending:
        print(f"{case.name:{width}}", end="", flush=True)
        expected = reference.result()()
        bad = not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(expected))
        for job in others:
            text, wrong = compare(job.result(), expected)
            print(f" {text:>9}", end="", flush=True)
            bad |= wrong
        print("   DIFFERS" if bad else "")
        failed += bad
    return failed


def compare(run: Callable[[], Any] | None, expected: Any) -> tuple[str, bool]:
    """What to print, and whether it is wrong. A dash: not for this loss."""
    if run is None:
        return "-", False
    worst = max(jax.tree.leaves(jax.tree.map(relative_error, run(), expected)))
    return f"{worst:.0e}", not worst <= TOLERANCE


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    scale = np.max(np.abs(expected), initial=0) or 1
    return float(np.max(np.abs(found - expected), initial=0) / scale)


def compile_case(case: Case, arrays: dict[str, Any], impl: str, devices: int) -> Callable[[], Any] | None:
    """A function that returns values, and gradients of a weighted sum over all of them, on `devices`.

    None where the loss is not computed this way.
    """
    if not case.engine and impl != "auto":
        impl = "auto" if devices == 1 else impl
        if impl != "auto":
            return None
    mesh = make_mesh(jax.devices()[:devices])

    def place(annotation, leaf):
        batched = annotation.dim_str.split()[:1] == ["sample"]
        return jax.device_put(leaf, batch_sharding(mesh) if batched else replicated(mesh))

    placed = {name: jax.tree.map(place, case.arrays[name], leaf) for name, leaf in arrays.items()}
    smooth = {name: leaf for name, leaf in placed.items() if is_smooth(leaf)}
    rest = {name: leaf for name, leaf in placed.items() if name not in smooth}
    extra = case.scalars | ({"impl": impl} if case.engine else {})

    def weighted(smooth, rest):
        value = case.fn(**smooth, **rest, **extra)
        weight = [jnp.cos(jnp.arange(v.size)).reshape(v.shape) for v in jax.tree.leaves(value)]
        return sum(jnp.vdot(w, v) for w, v in zip(weight, jax.tree.leaves(value))), value

    with jax.set_mesh(mesh):
        try:
            lowered = jax.jit(jax.grad(weighted, has_aux=True)).lower(smooth, rest)
        except InputError:  # an explicit mask, which only `dense` takes
            return None
        run = lowered.compile(QUICK_TO_COMPILE)
    return lambda: jax.tree.map(np.asarray, run(smooth, rest))


def make(case: Case, samples: int) -> dict[str, Any]:
    """Unit vectors, labels and masks of the annotated shapes; the same ones every time."""
    rng = np.random.default_rng(0)

    def one(annotation):
        names = annotation.dim_str.split()
        lengths = LENGTHS | {"sample": samples, "n": samples}
        shape = [math.prod(int(f) if f.isdigit() else lengths[f] for f in n.split("*")) for n in names]
        kinds = annotation.dtypes if is_kind(annotation) else ()
        if "float32" in kinds:
            z = rng.normal(size=shape)
            return np.float32(z / np.linalg.norm(z, axis=-1, keepdims=True))
        # Labels or places in a memory; without a kind, a mask or bits.
        return rng.integers(CLASSES if "int32" in kinds else 2, size=shape, dtype=np.int32)

    return {name: jax.tree.map(one, annotation) for name, annotation in case.arrays.items()}


def is_smooth(tree: Any) -> bool:
    return all(jnp.issubdtype(leaf.dtype, jnp.inexact) for leaf in jax.tree.leaves(tree))


def discover() -> Iterator[Case]:
    """Every loss that the package exports, by name."""
    for room, prefix in ((losses, ""), (losses.variants, "variants.")):
        for name in room.__all__:
            fn = getattr(room, name)
            if inspect.isfunction(fn):
                yield from as_case(prefix + name, fn)


def as_case(name: str, fn: Callable[..., Any]) -> Iterator[Case]:
    """One case, or none where the function is not a per-sample loss."""
    hints = typing.get_type_hints(fn)
    arrays, scalars = {}, {}
    for key, parameter in inspect.signature(fn).parameters.items():
        annotation = as_arrays(hints[key])
        if annotation is not None:
            arrays[key] = annotation
        elif key in SCALARS:
            scalars[key] = SCALARS[key]
        elif parameter.default is inspect.Parameter.empty:
            return
    dims = [a.dim_str.split() for a in jax.tree.leaves(arrays, is_leaf=is_annotation)]
    smooth = any("float32" in a.dtypes for a in jax.tree.leaves(arrays, is_leaf=is_annotation) if is_kind(a))
    factors = {f for of in dims for d in of for f in d.split("*")}
    known = all(f.isdigit() or f in LENGTHS or f in ("sample", "n") for f in factors)
    if known and smooth and any(of[:1] == ["sample"] for of in dims):
        yield Case(name, fn, arrays, scalars, "impl" in hints)


def as_arrays(hint: Any) -> Any:
    """The annotation of an array, a pair of them for a sequence of arrays, or None."""
    if is_annotation(hint) and hint.dim_str:
        return hint
    inner = typing.get_args(hint)
    if typing.get_origin(hint) is Sequence and is_annotation(inner[0]):
        return inner[0], inner[0]
    return None


def is_annotation(hint: Any) -> bool:
    return hasattr(hint, "dim_str")


def is_kind(annotation: Any) -> bool:
    """Whether it says which dtypes it takes (`Shaped` does not)."""
    return isinstance(annotation.dtypes, (list, tuple))


COMMAND = Command(
    "selftest",
    __doc__,
    selftest,
    flags=(
        Flag("full", False, "Every loss, every implementation, every number of devices."),
        Flag("only", "", "Only losses whose name contains this."),
        Flag(
            "method",
            "",
            "Check this method instead: a name, or an import path such as my_lab.methods:BarlowTwins.",
        ),
    ),
)
