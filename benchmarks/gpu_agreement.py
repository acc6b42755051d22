"""Whether a GPU trains every method as the CPU does, and twice the same.

    python benchmarks/gpu_agreement.py                      all methods
    python benchmarks/gpu_agreement.py --only=supcon,mcl    those

Two steps of each method on the conformance suite's tiny network, float32 with the matrix products' full precision, once
on the CPU and twice on the GPU. The loss of both steps is compared, and all parameters after them, relative to each
array's largest entry. `bits` says whether the GPU's two runs ended in the same bits. On a machine without a GPU the
other side is the CPU again: a rehearsal. Exits with 1 if a method differs by more than the limits.
"""

import argparse
import concurrent.futures
import multiprocessing
import os
import sys
import time

LOSS_LIMIT, STATE_LIMIT = 1e-4, 5e-3
"""Relative; a network of width 4 amplifies rounding in its second step."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", default="", help="methods, separated by commas")
    parser.add_argument("--processes", type=int, default=max(1, 3 * (os.cpu_count() or 1) // 4))
    options = parser.parse_args()
    from contrastive_jax.experiment import CHOICES

    names = options.only.split(",") if options.only else sorted(CHOICES["method"].classes())
    print(f"{'':28}{'loss':>9}{'state':>9}  bits", flush=True)
    context = multiprocessing.get_context("spawn")
    failed = 0
    with concurrent.futures.ProcessPoolExecutor(options.processes, context, max_tasks_per_child=6) as pool:
        for job in concurrent.futures.as_completed([pool.submit(compare, name) for name in names]):
            line, good = job.result()
            failed += not good
            print(line, flush=True)
    print(f"{len(names) - failed} of {len(names)} methods agree (limits {LOSS_LIMIT}, {STATE_LIMIT}).")
    sys.exit(min(failed, 1))


def compare(name: str) -> tuple[str, bool]:
    """The line to print for a method, and whether it agrees."""
    import jax
    import numpy as np

    from contrastive_jax.conformance import Trial

    jax.config.update("jax_default_matmul_precision", "highest")
    started = time.perf_counter()
    try:
        cpu, other = jax.devices("cpu")[:1], jax.devices()[:1]
        (state, seen), (found, found_seen) = (
            Trial(name, devices, precision="float32").run(2) for devices in (cpu, other)
        )
        again, _ = Trial(name, other, precision="float32").run(2)
    except Exception as error:
        return f"{name:28}{type(error).__name__}: {' '.join(str(error).split())[:300]}", False

    def error(a, b):
        scale = np.max(np.abs(b), initial=0) or 1
        return float(np.max(np.abs(np.asarray(a) - b), initial=0) / scale)

    loss = max(error(a["loss"], b["loss"]) for a, b in zip(found_seen, seen))
    leaves = [jax.device_get(jax.tree.leaves((s.params, s.collections))) for s in (state, found, again)]
    worst = max(error(a, b) for a, b in zip(leaves[1], leaves[0]))
    same = all(np.array_equal(a, b) for a, b in zip(leaves[1], leaves[2]))
    good = loss <= LOSS_LIMIT and worst <= STATE_LIMIT
    seconds = time.perf_counter() - started
    line = f"{name:28}{loss:9.0e}{worst:9.0e}  {'equal' if same else 'differ'}  {seconds:.0f} s"
    return line + ("" if good else "   DISAGREES"), good


if __name__ == "__main__":
    main()
