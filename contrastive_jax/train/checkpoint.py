"""Checkpoints, by orbax: written aside and renamed, so that a killed process never leaves half of one."""

import pathlib
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers as policies

from contrastive_jax.errors import InputError
from contrastive_jax.train.state import TrainState


class Checkpoints:
    """The checkpoints of one run, by step (the number of finished updates)."""

    def __init__(self, folder: pathlib.Path, *, every_steps: int = 1, keep: int = 2, read_only: bool = False):
        """Opens the folder. `read_only`: for the checkpoints of a run that may be writing them at this moment."""
        # Orbax's `read_only` sets these two options and warns of it; nothing else writes but `save`.
        every = policies.AnySavePolicy(
            [policies.FixedIntervalPolicy(every_steps), policies.PreemptionCheckpointingPolicy()]
        )
        options = ocp.CheckpointManagerOptions(
            save_decision_policy=every,
            preservation_policy=policies.LatestN(keep),
            cleanup_tmp_directories=not read_only,  # what a killed process left behind
            create=not read_only,
        )
        self.folder = folder
        self._manager = ocp.CheckpointManager(folder.resolve(), options=options)

    def latest(self) -> int | None:
        """Step of the newest complete checkpoint; None if there is none."""
        return self._manager.latest_step()

    def due(self, step: int) -> bool:
        """Whether to save after this step. Ask after every step, since a preemption also counts."""
        return self._manager.should_save(step)

    def save(self, state: TrainState) -> None:
        """Starts writing; the state may be donated afterwards."""
        step = int(state.step)
        if step not in self._manager.all_steps():
            self._manager.save(step, args=ocp.args.StandardSave(state._asdict()), force=True)

    def restore(self, like: TrainState, step: int | None = None) -> TrainState:
        """The state at `step` (the newest by default), placed and typed as `like` is.

        Raises InputError if there is none, or if it does not fit the run's networks and optimizer.
        """
        step = self._existing(step)
        target = jax.tree.map(ocp.utils.to_shape_dtype_struct, like._asdict())
        try:
            found = self._manager.restore(step, args=ocp.args.StandardRestore(target))
        except Exception as error:  # orbax and tensorstore raise many types for one fact
            raise InputError(
                f"the checkpoint {self.folder}/{step} is corrupt, or belongs to another run or an earlier version"
                f" ({first_line(error)}); start in another --workdir, or move that folder away to continue from an"
                " older checkpoint if there is one."
            ) from error
        return TrainState(**found)

    def arrays(self, step: int | None = None) -> dict[str, Any]:
        """The state at `step` (the newest by default) as plain arrays, of any method and written on any devices.

        Raises InputError if there is none.
        """
        path: Any = self.folder.resolve() / str(self._existing(step)) / "default"
        reader = ocp.PyTreeCheckpointHandler()
        metadata: Any = reader.metadata(path)
        as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), metadata.tree)
        return reader.restore(path, args=ocp.args.PyTreeRestore(restore_args=as_numpy))

    def _existing(self, step: int | None) -> int:
        """`step`, or the newest. Raises InputError if there is no such checkpoint."""
        found = self.latest() if step is None else step
        if found is None or found not in self._manager.all_steps():
            raise InputError(
                f"{self.folder} holds no checkpoint{'' if found is None else f' of step {found}'}."
            )
        return found

    def wait(self) -> None:
        """Waits for what is being written."""
        self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits, and gives up the folder."""
        self.wait()
        self._manager.close()


def first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
