"""What the similarity engine costs: memory, time, and whether `auto` picks the cheaper implementation.

    python benchmarks/similarity.py memory    compiled temporary memory of SupCon's value and gradient, d = 128
    python benchmarks/similarity.py time      forward + backward at N = 8192, d = 128; PyTorch's too where installed
    python benchmarks/similarity.py auto      `auto` against both implementations, N = 256 ... 8192

`memory` also compiles for an H100 where jax-cuda13-pjrt and jax-cuda13-plugin are installed (see h100_aot.py; this
needs no GPU). Timed runs are interleaved, A B C A B C ..., and reported as median and quartiles. On a shared machine
only the ratios mean anything.
"""

import argparse
import functools
import importlib.util
import os
import sys
import time

if "memory" in sys.argv:  # compiles for a GPU that is not here
    os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_gpu_autotune_level=0"
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # PyTorch shares the GPU

import jax
import jax.numpy as jnp
import numpy as np

from contrastive_jax.similarity import Rows, Scores, row_kl, row_stats, sweep

DIM, TAU = 128, 0.1
MIB = 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("question", choices=("memory", "time", "auto"))
    parser.add_argument("--rows", type=int, nargs="+", help="values of N, in place of the default")
    parser.add_argument("--runs", type=int, default=9, help="interleaved runs of each form (time and auto)")
    options = parser.parse_args()
    device = jax.devices()[0]
    print(f"jax {jax.__version__}, {device.device_kind}, {os.cpu_count()} CPU cores, d = {DIM}\n")
    if options.question == "memory":
        memory(options.rows or [4096, 16384, 65536, 1048576])
    elif options.question == "time":
        for n in options.rows or [8192]:
            timing(n, options.runs)
    else:
        automatic(options.rows or [256, 512, 1024, 2048, 4096, 8192], options.runs)


def supcon(z, group, impl):
    """SupCon's L_out, averaged over the anchors that have positives."""
    n = z.shape[0]
    rows = Rows(z, jnp.arange(n), group)
    stats = row_stats(rows, rows, tau=TAU, impl=impl)
    loss = stats.lse - stats.pos_sum / jnp.maximum(stats.pos_count, 1)
    return jnp.mean(jnp.where(stats.pos_count > 0, loss, 0))


def two_sets(z, group, impl):
    """Anchors against different rows (the shape of VCL and ICL), with gradients of both."""
    n = z.shape[0] // 2
    anchors, contrasts = (Rows(z[half], jnp.arange(n), group[half]) for half in (slice(n), slice(n, 2 * n)))
    stats = row_stats(anchors, contrasts, tau=TAU, impl=impl)
    return jnp.mean(stats.lse - stats.pos_sum / jnp.maximum(stats.pos_count, 1))


def soft(z, group, impl):
    """KL between two matrices (the shape of the soft terms), with gradients of both."""
    n = z.shape[0] // 2
    a, b = z[:n], z[n : 2 * n]
    return jnp.mean(row_kl(Scores(a, a, TAU), Scores(b, b, TAU), impl=impl))


def memory(sizes: list[int]) -> None:
    """Temporary bytes of the compiled program, for this CPU and for an H100."""
    with_h100 = importlib.util.find_spec("jax_plugins") and importlib.util.find_spec("jax_plugins.xla_cuda13")
    print("temporary memory of value and gradient, MiB" + ("" if with_h100 else " (no plugin: CPU only)"))
    print(f"{'N':>8} {'dtype':>9} {'CPU dense':>10} {'blockwise':>10} {'H100 dense':>11} {'blockwise':>10}")
    for n in sizes:
        for dtype in (jnp.bfloat16, jnp.float32):
            shapes = jax.ShapeDtypeStruct((n, DIM), dtype), jax.ShapeDtypeStruct((n,), jnp.int32)
            cells = [temporary(impl, shapes) for impl in ("dense", "blockwise")]
            if with_h100:
                cells += [temporary_on_h100(impl, shapes) for impl in ("dense", "blockwise")]
            print(f"{n:8} {jnp.dtype(dtype).name:>9}", *(f"{c / MIB:>10.1f}" for c in cells), flush=True)


def temporary(impl, shapes) -> int:
    compiled = jax.jit(jax.value_and_grad(functools.partial(supcon, impl=impl))).lower(*shapes).compile()
    return compiled.memory_analysis().temp_size_in_bytes


def temporary_on_h100(impl, shapes) -> int:
    from h100_aot import compile_for_h100

    here = sweep.TILE["cpu"]
    sweep.TILE["cpu"] = sweep.TILE_ELSEWHERE  # traced on the CPU, compiled for a GPU
    try:
        return compile_for_h100(jax.value_and_grad(functools.partial(supcon, impl=impl)), *shapes).temp_bytes
    finally:
        sweep.TILE["cpu"] = here


def timing(n: int, runs: int) -> None:
    """Forward and backward of one loss, in every available form."""
    z, group = data(n)
    forms = {impl: compiled(supcon, impl, z, group) for impl in ("blockwise", "dense")}
    if importlib.util.find_spec("torch"):
        forms |= torch_forms(z, group)
    else:
        print("(PyTorch is not installed; its two forms are skipped.)")
    report(f"N = {n}, forward + backward", interleaved(forms, runs))


def automatic(sizes: list[int], runs: int) -> None:
    """`auto` against both implementations, for each loss and N."""
    for loss in (supcon, two_sets, soft):
        for n in sizes:
            z, group = data(n if loss is supcon else 2 * n)
            forms = {impl: compiled(loss, impl, z, group) for impl in ("auto", "dense", "blockwise")}
            report(f"{loss.__name__}, N = {n}", interleaved(forms, max(runs, min(200, 2_000_000 // n**2))))


def data(n: int):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(n, DIM)).astype(np.float32)
    return z / np.linalg.norm(z, axis=1, keepdims=True), rng.integers(0, 100, n).astype(np.int32)


def compiled(loss, impl, z, group):
    z, group = jnp.asarray(z), jnp.asarray(group)
    step = jax.jit(jax.value_and_grad(functools.partial(loss, impl=impl)))
    return lambda: float(jax.block_until_ready(step(z, group))[0])  # waits for the gradient as well


def interleaved(forms: dict, runs: int) -> dict[str, np.ndarray]:
    """Seconds of every run of each form, after one run that compiles it and checks its value.

    A form that fails (its matrices do not fit) is named and left out.
    """
    values = {}
    for name, form in list(forms.items()):
        try:
            values[name] = form()
        except Exception as error:
            print(f"  {name:24} left out: {type(error).__name__}: {' '.join(str(error).split())[:90]}")
            del forms[name]
    first = next(iter(values.values()))
    for name, value in values.items():
        assert abs(value - first) <= 1e-4 * abs(first), f"{name} gives {value}, not {first}"
    seconds = {name: [] for name in forms}
    for _ in range(runs):
        for name, form in forms.items():
            start = time.perf_counter()
            form()
            seconds[name].append(time.perf_counter() - start)
    return {name: np.array(of) for name, of in seconds.items()}


def report(title: str, seconds: dict[str, np.ndarray]) -> None:
    """Prints medians and quartiles of the times, and of their ratios to the first form in the same round."""
    first = next(iter(seconds))
    print(f"{title} ({len(seconds[first])} interleaved runs)")
    for name, of in seconds.items():
        low, median, high = np.percentile(of, [25, 50, 75]) * 1e3
        ratios = np.percentile(of / seconds[first], [25, 50, 75])
        print(
            f"  {name:24} {median:9.2f} ms [{low:9.2f}, {high:9.2f}]   least {of.min() * 1e3:9.2f} ms   "
            f"/ {first}: {ratios[1]:5.2f} [{ratios[0]:5.2f}, {ratios[2]:5.2f}], "
            f"least / least: {of.min() / seconds[first].min():5.2f}",
            flush=True,
        )


def torch_forms(z, group) -> dict:
    """PyTorch: eager with SupContrast's operations, and the shortest plain form of the same equation, also compiled."""
    import torch

    torch.set_num_threads(os.cpu_count())
    device = "cuda" if torch.cuda.is_available() else "cpu"
    z, labels = (torch.from_numpy(values).to(device) for values in (z, group))
    n = len(labels)

    def whole_matrices(z):
        # SupContrast's order of operations: masks and exponentials as whole float matrices.
        positive = torch.eq(labels[:, None], labels[None, :]).float()
        logits = torch.div(torch.matmul(z, z.T), TAU)
        logits = logits - torch.max(logits, dim=1, keepdim=True)[0].detach()
        others = torch.scatter(torch.ones_like(positive), 1, torch.arange(n, device=device)[:, None], 0)
        positive = positive * others
        exponentials = torch.exp(logits) * others
        log_probability = logits - torch.log(exponentials.sum(1, keepdim=True))
        count = positive.sum(1)
        count = torch.where(count < 1e-6, 1, count)
        return -((positive * log_probability).sum(1) / count).mean()

    def plain(z):
        own = torch.eye(n, dtype=torch.bool, device=device)
        positive = (labels[:, None] == labels[None, :]) & ~own
        logits = (z @ z.T / TAU).masked_fill(own, -torch.inf)
        per_positive = logits.logsumexp(1, keepdim=True) - logits
        count = positive.sum(1)
        return (torch.where(positive, per_positive, 0).sum(1) / count.clamp(min=1)).mean()

    def step(loss):
        leaf = z.clone().requires_grad_()
        value = loss(leaf)
        value.backward()
        return value.item()

    return {
        "torch, SupContrast form": functools.partial(step, whole_matrices),
        "torch, plain": functools.partial(step, plain),
        "torch, plain, compiled": functools.partial(step, torch.compile(plain)),
    }


if __name__ == "__main__":
    main()
