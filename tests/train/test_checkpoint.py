"""Checkpoints: whole, of the right run, and left alone by those who only look."""

import jax
import numpy as np
import pytest
from tiny import trial

from contrastive_jax.errors import InputError
from contrastive_jax.train.checkpoint import Checkpoints


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder with a SupCon state of step 0, and that state."""
    folder = tmp_path_factory.mktemp("run") / "checkpoints"
    state = trial("supcon", 1).state()
    checkpoints = Checkpoints(folder)
    checkpoints.save(state)
    checkpoints.save(state)  # the same step again is no error and no second copy
    checkpoints.close()
    return folder, state


def test_comes_back_bit_for_bit_on_other_devices(saved):
    folder, state = saved
    found = Checkpoints(folder, read_only=True).restore(trial("supcon", 8).state())
    for a, b in zip(jax.tree.leaves(state), jax.tree.leaves(found), strict=True):
        np.testing.assert_array_equal(a, b)
    assert all(len(leaf.sharding.device_set) == 8 for leaf in jax.tree.leaves(found))


def test_of_another_network_is_refused(saved):
    with pytest.raises(InputError, match="belongs to another run"):
        Checkpoints(saved[0], read_only=True).restore(trial("cross_entropy", 1).state())


def test_missing_one_is_named(saved):
    with pytest.raises(InputError, match="no checkpoint of step 7"):
        Checkpoints(saved[0], read_only=True).restore(saved[1], 7)


def test_looking_leaves_alone_what_a_running_process_writes(saved):
    being_written = saved[0] / "5.orbax-checkpoint-tmp"
    being_written.mkdir()
    looking = Checkpoints(saved[0], read_only=True)
    assert looking.latest() == 0
    looking.close()
    assert being_written.exists()


def test_due_every_so_many_steps(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints", every_steps=3)
    assert [step for step in range(1, 10) if checkpoints.due(step)] == [3, 6, 9]
    checkpoints.close()


def test_looking_and_reading_warn_of_nothing(saved, caplog):
    looking = Checkpoints(saved[0], read_only=True)
    looking.restore(saved[1])
    arrays = looking.arrays()
    looking.close()
    assert int(arrays["step"]) == 0 and not caplog.records


def test_looking_where_nothing_is_makes_no_folder(tmp_path):
    looking = Checkpoints(tmp_path / "checkpoints", read_only=True)
    with pytest.raises(InputError, match="holds no checkpoint"):
        looking.arrays()
    assert not list(tmp_path.iterdir())
