"""Where a run's numbers go: JSONL, TensorBoard events and a progress bar, from process 0 alone."""

import json
import pathlib
import sys
import time
from collections.abc import Mapping

import jax
import numpy as np
from tensorboardX import SummaryWriter
from tqdm import tqdm

from contrastive_jax.errors import InputError


class NonFiniteLoss(InputError):
    """Training stopped because the loss or the gradient is no longer finite."""


class Pending:
    """Metrics of the steps since the last report, kept on the device so that no step waits for the host."""

    def __init__(self):
        self._dispatches: list[tuple[int, Mapping[str, jax.Array]]] = []

    def add(self, done: int, metrics: Mapping[str, jax.Array]) -> None:
        """Metrics `[step]` of the steps that end with number `done`."""
        self._dispatches.append((done, metrics))

    def take(self, last_good: int | None) -> dict[str, float]:
        """Means since the last call. Raises NonFiniteLoss at the first step whose numbers are not finite."""
        dispatches, self._dispatches = jax.device_get(self._dispatches), []
        if not dispatches:
            return {}
        columns = {k: np.concatenate([m[k] for _, m in dispatches]) for k in dispatches[0][1]}
        first = dispatches[-1][0] - len(columns["loss"]) + 1
        watched = np.stack([columns["loss"], columns["gradient_norm"]], axis=1)
        wrong = np.argwhere(~np.isfinite(watched))  # by step, then loss before gradient
        if wrong.size:
            step, which = wrong[0]
            name = ("loss", "gradient_norm")[which]
            raise NonFiniteLoss(non_finite(name, first + int(step), float(watched[step, which]), last_good))
        return {name: float(np.mean(values, dtype=np.float64)) for name, values in columns.items()}


def non_finite(name: str, step: int, value: float, last_good: int | None) -> str:
    kept = (
        "no checkpoint was written yet, and another config may take this --workdir"
        if last_good is None
        else f"the last good checkpoint is step {last_good}"
    )
    advice = "Lower the learning rate; if the method has a temperature, a higher one helps too."
    return f"{name} is {value} at step {step}: stopped; {kept}. {advice}"


class MetricWriter:
    """Appends to `metrics.jsonl` and to TensorBoard events, and shows progress."""

    def __init__(self, folder: pathlib.Path, *, first: int, total: int, batch_size: int):
        self._batch_size = batch_size
        self._file = self._events = self._bar = None
        self._elapsed = 0.0
        self._since = (first, time.perf_counter())
        if jax.process_index() == 0:
            self._elapsed = drop_lines_after(folder / "metrics.jsonl", first)
            self._file = (folder / "metrics.jsonl").open("a")
            self._events = SummaryWriter(str(folder / "tensorboard"), purge_step=first + 1)
            self._bar = tqdm(total=total, initial=first, unit="step", disable=not sys.stderr.isatty())

    def advance(self, steps: int = 1) -> None:
        if self._bar:
            self._bar.update(steps)

    def write(self, step: int, metrics: Mapping[str, float]) -> dict[str, float]:
        """Writes one line for the interval that ends at `step`; returns it with speed and time added."""
        now, (last_step, last_time) = time.perf_counter(), self._since
        self._since = (step, now)
        self._elapsed += now - last_time
        rate = (step - last_step) / max(now - last_time, 1e-9)
        line = {
            "step": step,
            **metrics,
            "steps_per_second": rate,
            "images_per_second": rate * self._batch_size,
            "elapsed_seconds": self._elapsed,
        }
        if self._file and self._events and self._bar:
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
            for name, value in line.items():
                self._events.add_scalar(name, value, step)
            show(self._bar, line, rate)
        return line

    def close(self) -> float:
        """Seconds of training over all starts of the run."""
        for part in (self._file, self._events, self._bar):
            if part is not None:
                part.close()
        return self._elapsed


def show(bar: tqdm, line: Mapping[str, float], rate: float) -> None:
    """Shows a few figures: beside the bar on a terminal, on a line of their own in a log file."""
    names = (
        "loss",
        "learning_rate",
        "positives_share",
        "final/online_knn",
        "final/rankme",
        "images_per_second",
    )
    shown = {name: f"{line[name]:.4g}" for name in names if name in line}
    if not bar.disable:
        return bar.set_postfix(shown, refresh=False)
    eta = (bar.total - line["step"]) / max(rate, 1e-9)
    text = "  ".join(f"{name} {value}" for name, value in shown.items())
    print(f"step {line['step']}/{bar.total}  {text}  {rate:.2f} steps/s  eta {eta:.0f}s", flush=True)


def drop_lines_after(file: pathlib.Path, step: int) -> float:
    """Drops what was logged after the checkpoint that training continues from; returns the time kept."""
    if not file.exists():
        return 0.0
    kept = []
    for text in file.read_text().splitlines():
        try:
            line = json.loads(text)
        except json.JSONDecodeError:  # the process was killed while it wrote this line
            continue
        if line["step"] <= step:
            kept.append(line)
    aside = file.with_suffix(".tmp")
    aside.write_text("".join(json.dumps(line) + "\n" for line in kept))
    aside.replace(file)
    return kept[-1]["elapsed_seconds"] if kept else 0.0
