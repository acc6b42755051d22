"""Checkpoints: whole, of the right run, and left alone by those who only look."""

import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec
from tiny import trial

from contrastive_jax.commands.export import read_checkpoint
from contrastive_jax.errors import InputError
from contrastive_jax.parallel.mesh import DATA, make_mesh
from contrastive_jax.train import checksums
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
    never = Checkpoints(tmp_path / "checkpoints", every_steps=0)
    assert not any(never.due(step) for step in range(1, 10))
    never.close()


def flip(file, position):
    content = bytearray(file.read_bytes())
    content[position] ^= 1 << 3
    file.write_bytes(content)


def test_no_flipped_bit_is_restored(saved, tmp_path):
    """In whatever byte of the arrays' file, the state is as saved or the checkpoint is refused."""
    folder, state = saved
    largest = max(folder.rglob("d/*"), key=lambda file: file.stat().st_size)
    refusals = []
    for number, position in enumerate(np.linspace(0, largest.stat().st_size - 1, 20, dtype=int)):
        broken = tmp_path / str(number)
        shutil.copytree(folder, broken)
        flip(broken / largest.relative_to(folder), position)
        checkpoints = Checkpoints(broken, read_only=True)
        try:
            found = checkpoints.restore(state)
        except InputError as error:
            refusals.append(str(error))
        else:
            jax.tree.map(np.testing.assert_array_equal, found, state)
    assert any("params/" in words and "not as written" in words for words in refusals), refusals
    assert all("/0 is " in words and "start in another --workdir" in words for words in refusals)


def edit_checksums(folder, change):
    """Writes the metadata of the checkpoint of step 0 anew, with other checksums."""
    file = folder / "0" / "default" / "_METADATA"
    metadata = json.loads(file.read_text())
    change(metadata["custom_metadata"])
    file.write_text(json.dumps(metadata))


def test_what_differs_is_named_by_every_reader(saved, tmp_path):
    folder, state = saved
    leaf = next(name for name in checksums.checksums(state._asdict()) if name.startswith("params/"))
    for change, words in (
        (lambda kept: kept["checksums"].update({leaf: 1}), f"damaged: {leaf} is not as written"),
        (lambda kept: kept.clear(), "damaged: its checksums are missing"),
    ):
        broken = tmp_path / words[-7:]
        shutil.copytree(folder, broken)
        edit_checksums(broken, change)
        for read in (
            lambda f: Checkpoints(f, read_only=True).restore(state),
            lambda f: read_checkpoint(f, None),
        ):
            with pytest.raises(InputError, match=words):
                read(broken)


def test_an_older_checkpoint_is_offered(saved, tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=3)
    state = saved[1]
    for step in (3, 5, 8):
        checkpoints.save(state._replace(step=jnp.asarray(step)))
    checkpoints.wait()
    shutil.rmtree(tmp_path / "checkpoints" / "8" / "default" / "d")
    with pytest.raises(InputError, match="8 is corrupt.*move that folder away to continue from step 5"):
        checkpoints.restore(state)
    checkpoints.close()


ARRAYS = [
    np.random.default_rng(0).normal(size=(16, 3, 5)).astype(np.float32),
    np.arange(-8, 8, dtype=np.int32),
    np.arange(16, dtype=np.uint8),
    np.arange(32).reshape(16, 2) % 3 == 0,
    np.asarray(jnp.linspace(-1, 1, 48, dtype=jnp.bfloat16)),
    np.float32(3.5),
    np.zeros((0, 4), np.float32),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_a_checksum_is_the_same_wherever_the_array_is(array):
    expected = checksums.of_host(np.asarray(array))
    mesh = make_mesh()
    for spec in [PartitionSpec()] + [PartitionSpec(DATA)] * (np.size(array) > 1):
        placed = jax.device_put(array, NamedSharding(mesh, spec))
        assert int(checksums.of_devices(placed)) == checksums.checksum(placed) == expected


def test_a_checksum_tells_bits_and_places_apart():
    array = np.random.default_rng(0).normal(size=600_000).astype(np.float32)  # more than a block
    seen = {checksums.of_host(array), checksums.of_host(array[:-1]), checksums.of_host(np.zeros_like(array))}
    for place, bit in ((0, 0), (300_000, 9), (300_000, 31), (599_999, 31)):
        other = array.copy()
        other.view(np.uint32)[place] ^= np.uint32(1 << bit)
        seen.add(checksums.of_host(other))
    swapped = array.copy()
    swapped[[1, 500_000]] = swapped[[500_000, 1]]
    assert len(seen | {checksums.of_host(swapped)}) == 8


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
