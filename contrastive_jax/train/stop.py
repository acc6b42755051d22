"""Signals that ask a run to stop: noticed between two dispatches, by all processes between the same two.

SIGTERM is what SLURM, Kubernetes and preempted cloud machines send; SIGINT is Ctrl-C.
"""

import os
import signal
import threading
from types import FrameType
from typing import Any

import jax
from jax.experimental import multihost_utils

STATUS = {signal.SIGTERM: os.EX_TEMPFAIL, signal.SIGINT: 130}
"""The exit status of a run that was saved and stopped: 75 says `start me again`."""


class StopRequest:
    """Whether a signal asked this run to stop. A context manager: the signals' handlers are put back at its end."""

    def __init__(self):
        self._signal: signal.Signals | None = None
        self._previous: dict[signal.Signals, Any] = {}
        self._asked = 0
        # JAX hears SIGTERM itself then, tells the other processes, and agrees with them on a time to stop.
        self._together = jax.distributed.is_initialized() and bool(
            jax.config.values["jax_enable_preemption_service"]
        )

    def __enter__(self) -> "StopRequest":
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def reached(self) -> bool:
        """Whether to save and stop now. All processes ask after every dispatch.

        The first call sets the handlers. A signal before it ends the process at once: there is nothing to save yet, and
        no handler runs while a program is compiled.
        """
        if not self._asked and threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT,) if self._together else (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._note)
        self._asked += 1
        if self._together:  # counts calls, not steps: JAX waits for the very next number
            return multihost_utils.reached_preemption_sync_point(self._asked)
        return self._signal is not None

    @property
    def status(self) -> int:
        """The exit status of the stopped run."""
        return STATUS[self._signal or signal.SIGTERM]

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._signal = signal.Signals(number)
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.write(2, b"\ninterrupt: saving after this step; a second Ctrl-C stops at once.\n")
            if self._together:
                os.kill(os.getpid(), signal.SIGTERM)
