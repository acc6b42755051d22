"""Checkpoints, by orbax: written aside and renamed, so that a killed process never leaves half of one.

Each holds a checksum per array, and every restore compares them.
"""

import pathlib
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers as policies

from contrastive_jax.errors import InputError
from contrastive_jax.train.checksums import checksums
from contrastive_jax.train.state import TrainState


class Checkpoints:
    """The checkpoints of one run, by step (the number of finished updates)."""

    def __init__(self, folder: pathlib.Path, *, every_steps: int = 1, keep: int = 2, read_only: bool = False):
        """Opens the folder.

        Args:
          every_steps: period of `due`; 0: never.
          keep: the newest that stay.
          read_only: for the checkpoints of a run that may be writing them at this moment.
        """
        # Orbax's `read_only` sets two of these options and warns of it; nothing else writes but `save`.
        options = ocp.CheckpointManagerOptions(
            preservation_policy=policies.LatestN(keep),
            cleanup_tmp_directories=not read_only,  # what a killed process left behind
            create=not read_only,
        )
        self.folder = folder
        self._every_steps = every_steps
        self._manager = _Manager(folder.resolve(), options=options)

    def latest(self) -> int | None:
        """Step of the newest complete checkpoint; None if there is none."""
        return self._manager.latest_step()

    def due(self, step: int) -> bool:
        """Whether a checkpoint is to follow this step."""
        return self._every_steps > 0 and step % self._every_steps == 0

    def save(self, state: TrainState) -> None:
        """Starts writing; the state may be donated afterwards."""
        step = int(state.step)
        if step not in self._manager.all_steps():
            item = state._asdict()
            beside: Any = {CHECKSUMS: checksums(item)}
            args = ocp.args.StandardSave(item, custom_metadata=beside)
            self._manager.save(step, args=args, force=True)

    def restore(self, like: TrainState, step: int | None = None) -> TrainState:
        """The state at `step` (the newest by default), placed and typed as `like` is.

        Raises InputError if there is none, if it does not fit the run's networks and optimizer, or if it is damaged.
        """
        target = jax.tree.map(ocp.utils.to_shape_dtype_struct, like._asdict())
        return TrainState(**self._read(ocp.args.StandardRestore(target), step))

    def arrays(self, step: int | None = None) -> dict[str, Any]:
        """The state at `step` (the newest by default) as plain arrays, of any method and written on any devices.

        Raises InputError if there is none, or if it is damaged.
        """
        return self._read(None, step)

    def _read(self, how: ocp.args.StandardRestore | None, step: int | None) -> dict[str, Any]:
        """What the checkpoint holds, its checksums compared. `how`: None for plain arrays."""
        step = self._existing(step)
        found: Any
        try:
            path: Any = self.folder.resolve() / str(step) / "default"
            reader = ocp.PyTreeCheckpointHandler()
            metadata: Any = reader.metadata(path)
            if how is None:
                as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), metadata.tree)
                found = reader.restore(path, args=ocp.args.PyTreeRestore(restore_args=as_numpy))
            else:
                found = self._manager.restore(step, args=how)
        except Exception as error:  # orbax and tensorstore raise many types for one fact
            raise InputError(
                f"the checkpoint {self.folder}/{step} is corrupt, or belongs to another run or an earlier version"
                f" ({first_line(error)}); {self._without(step)}."
            ) from error
        if damaged := changed((metadata.custom_metadata or {}).get(CHECKSUMS), checksums(found)):
            raise InputError(
                f"the checkpoint {self.folder}/{step} is damaged: {damaged} not as written; {self._without(step)}."
            )
        return found

    def _without(self, step: int) -> str:
        """What to do without the checkpoint of `step`."""
        if older := [other for other in self._manager.all_steps() if other < step]:
            return f"move that folder away to continue from step {max(older)}"
        return "there is no older one: start in another --workdir"

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


class _Manager(ocp.CheckpointManager):
    """Leaves signals to `train.stop`: JAX answers the question for a preemption only if it is asked in one place."""

    def reached_preemption(self, step: int) -> bool:
        return False


def structured(like: Any, arrays: Any, where: str) -> Any:
    """`arrays`, nested dicts and lists as a checkpoint has them, in the structure of the shapes `like`.

    Raises:
      InputError: an array is missing or has another shape; `where` begins the sentence.
    """

    def of_leaf(path: tuple[Any, ...], expected: Any) -> np.ndarray:
        found: Any = arrays
        for entry in path:  # of a NamedTuple, a dict or a sequence
            key = next(getattr(entry, name) for name in ("name", "key", "idx") if hasattr(entry, name))
            try:
                found = found[key]
            except (KeyError, IndexError):
                found = {}
        if np.shape(found) != expected.shape or isinstance(found, dict):
            raise InputError(
                f"{where}{jax.tree_util.keystr(path)} is not in the checkpoint with shape {expected.shape}, which the"
                " run's config asks for: the run belongs to another version of this package or of your method."
            )
        return np.asarray(found)

    return jax.tree_util.tree_map_with_path(of_leaf, like)


CHECKSUMS = "checksums"


def changed(written: dict[str, int] | None, read: dict[str, int]) -> str:
    """Which arrays are not those that were written, in words; empty if all are."""
    if written is None:
        return "its checksums are missing, so it is"
    names = sorted(name for name in written.keys() | read.keys() if written.get(name) != read.get(name))
    if len(names) > 3:
        return f"{', '.join(names[:3])} and {len(names) - 3} other arrays are"
    return " and ".join(names) + (" is" if len(names) == 1 else " are") if names else ""


def first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
