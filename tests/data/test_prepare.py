"""Storing any source as a prepared set: images do not change, partial files do not count, a killed run resumes."""

import itertools
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from contrastive_jax.data import prepare, sources, store
from contrastive_jax.data.encoded import EncodedImages
from contrastive_jax.data.pictures import CorruptImage
from contrastive_jax.data.sources.tfds import find_prepared
from contrastive_jax.errors import InputError

PER_SHARD = 4

# Exits without cleaning up, as after SIGKILL or a power cut, at the 11th picture.
KILLED = """
import itertools, os, sys
from contrastive_jax.data import pictures, prepare, store
store.PER_SHARD, seen, original = 4, itertools.count(), pictures.faithful
pictures.faithful = lambda *given: os._exit(9) if next(seen) == 10 else original(*given)
prepare.prepare("mine", sys.argv[1], source=sys.argv[2])
"""


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(store, "PER_SHARD", PER_SHARD)


@pytest.fixture
def folder(tmp_path):
    """14 training and 3 validation pictures of several sizes and formats."""
    rng = np.random.default_rng(0)
    for split, n in (("train", 14), ("val", 3)):
        for i in range(n):
            pixels = rng.integers(0, 256, (20 + i, 30 - i, 3), np.uint8)
            path = tmp_path / "pictures" / split / "abc"[i % 3] / f"{i}.{('jpg', 'png', 'gif')[i % 3]}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    return tmp_path / "pictures"


def equal(one, other, size=16):
    """Asserts that both sources give the same training and test images."""
    for split in ("train", "test"):
        a, b = (sources.load(name, split, directory, size) for name, directory in (one, other))
        np.testing.assert_array_equal(a.images, b.images)
        np.testing.assert_array_equal(a.labels, b.labels)
        assert a.num_classes == b.num_classes
    return True


def shards(folder):
    return sorted(path.name for path in folder.iterdir() if "array_record" in path.name)


class TestPictures:
    def test_prepared_and_folder_give_the_same_images(self, folder, tmp_path):
        made = prepare.prepare("mine", str(tmp_path), source=f"folder:{folder}")
        assert made == str(tmp_path / "mine" / "1.0.0")
        assert equal(("tfds:mine", str(tmp_path)), (f"folder:{folder}", ""))
        names = [f"mine-train.array_record-{i:05d}-of-00004" for i in range(4)]
        assert shards(tmp_path / "mine" / "1.0.0") == ["mine-test.array_record-00000-of-00001", *names]
        assert (
            not list(pathlib.Path(made).glob("*.part*")) and not (pathlib.Path(made) / "plan.json").exists()
        )

    def test_jpegs_keep_their_bytes(self, folder, tmp_path):
        prepare.prepare("mine", str(tmp_path), source=f"folder:{folder}")
        got = sources.open_split("tfds:mine", "train", str(tmp_path))
        stored = {got.records.read(row) for row in range(len(got))}
        assert all(path.read_bytes() in stored for path in folder.glob("train/*/*.jpg"))

    def test_resized(self, folder, tmp_path):
        prepare.prepare("small", str(tmp_path), source=f"folder:{folder}", image_size=16)
        stored = sources.open_split("tfds:small", "train", str(tmp_path))
        largest = max(max(stored.decode(row).shape) for row in range(len(stored)))
        assert stored.varies and largest == 16
        assert equal(("tfds:small", str(tmp_path)), (f"folder:{folder}", ""))

    def test_squares_that_an_earlier_version_stored_are_read_as_they_are(self, folder, tmp_path, monkeypatch):
        """It cut pictures to squares of `image_size` and stored these, as it still does with squares of one size."""
        monkeypatch.setattr(EncodedImages, "resized", EncodedImages.squares)
        prepare.prepare("old", str(tmp_path), source=f"folder:{folder}", image_size=16)
        monkeypatch.undo()
        got = sources.open_split("tfds:old", "train", str(tmp_path))
        assert not got.varies and got.image_shape == (16, 16, 3)
        assert got.gather(np.arange(2)).keys() == {"image", "label", "index"}

    def test_an_unfinished_run_of_an_earlier_version_with_squares_is_not_continued(self, folder, tmp_path):
        prepared = tmp_path / "small" / "1.0.0.incomplete"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(store, "_write", lambda *given: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                prepare.prepare("small", str(tmp_path), source=f"folder:{folder}", image_size=16)
        plan = json.loads((prepared / "plan.json").read_text())
        assert plan.pop("whole")
        (prepared / "plan.json").write_text(json.dumps(plan))
        with pytest.raises(InputError, match="delete that folder to start again"):
            prepare.prepare("small", str(tmp_path), source=f"folder:{folder}", image_size=16)

    def test_unlabelled(self, folder, tmp_path):
        flat = tmp_path / "flat"
        shutil.copytree(folder / "train" / "a", flat)
        prepare.prepare("flat", str(tmp_path), source=f"folder:{flat}")
        got = sources.load("tfds:flat", "train", str(tmp_path), 16)
        assert got.num_classes == 0 and set(got.labels) == {-1}
        np.testing.assert_array_equal(
            got.images, sources.load(f"folder:{flat}", "train", image_size=16).images
        )


def test_arrays_are_stored_losslessly(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (9, 5, 7), np.uint8)
    np.savez(tmp_path / "a.npz", images=images, labels=np.arange(9) % 4)
    prepare.prepare("arrays", str(tmp_path), source=f"npz:{tmp_path}/a.npz")
    got = sources.load("tfds:arrays", "train", str(tmp_path))
    np.testing.assert_array_equal(got.images[..., 0], images)
    np.testing.assert_array_equal(got.labels, np.arange(9) % 4)


class TestResume:
    def test_a_killed_run_resumes(self, folder, tmp_path, monkeypatch):
        done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), f"folder:{folder}"])
        assert done.returncode == 9
        incomplete = tmp_path / "mine" / "1.0.0.incomplete"
        finished = [name for name in shards(incomplete) if ".part" not in name and not name.endswith(".json")]
        assert 1 <= len(finished) <= 2
        assert find_prepared("mine", str(tmp_path)) is None
        with pytest.raises(InputError, match="not prepared"):
            sources.load("tfds:mine", "train", str(tmp_path))

        (incomplete / f"{finished[-1]}.part1").write_bytes(b"torn")
        before = {name: (incomplete / name).stat().st_mtime_ns for name in finished}
        written = []
        original = store._write
        monkeypatch.setattr(
            store, "_write", lambda shard, *rest: written.append(shard.file) or original(shard, *rest)
        )
        made = pathlib.Path(prepare.prepare("mine", str(tmp_path), source=f"folder:{folder}"))
        assert len(written) == 5 - len(finished) and not set(written) & set(finished)
        assert {name: (made / name).stat().st_mtime_ns for name in finished} == before
        assert equal(("tfds:mine", str(tmp_path)), (f"folder:{folder}", ""))
        assert not incomplete.exists() and not list(made.glob("*.part*"))

    def test_a_run_does_not_resume_with_other_pictures(self, folder, tmp_path):
        (folder / "train" / "a" / "0.jpg").write_text("corrupt, so that the work stays unfinished")
        with pytest.raises(CorruptImage):
            prepare.prepare("mine", str(tmp_path), source=f"folder:{folder}")
        (folder / "train" / "b" / "1.png").unlink()
        with pytest.raises(
            InputError, match="belongs to an unfinished run with another source or other pictures"
        ):
            prepare.prepare("mine", str(tmp_path), source=f"folder:{folder}")


class TestCorrupt:
    def test_corrupt_pictures_are_counted_and_listed_and_then_skipped_on_request(
        self, folder, tmp_path, monkeypatch, capsys
    ):
        bad = [folder / "train" / "a" / "0.jpg", folder / "train" / "b" / "4.png"]
        for path in bad:
            path.write_bytes(path.read_bytes()[:300])
        with pytest.raises(CorruptImage, match="2 pictures of .* are corrupt"):
            prepare.prepare("mine", str(tmp_path), source=f"folder:{folder}")
        listed = (tmp_path / "mine" / "1.0.0.incomplete" / "corrupt.txt").read_text()
        assert all(str(path) in listed for path in bad) and len(listed.splitlines()) == 2
        assert find_prepared("mine", str(tmp_path)) is None

        written = []
        original = store._write
        monkeypatch.setattr(
            store, "_write", lambda shard, *rest: written.append(shard.file) or original(shard, *rest)
        )
        made = prepare.prepare("mine", str(tmp_path), source=f"folder:{folder}", skip_corrupt=True)
        assert 1 <= len(written) <= 2  # the shards that hold them
        assert "Left out 2 corrupt pictures" in capsys.readouterr().err
        assert pathlib.Path(made, "corrupt.txt").read_text() == listed
        got = sources.open_split("tfds:mine", "train", str(tmp_path))
        assert len(got) == 12 and len(sources.open_split("tfds:mine", "test", str(tmp_path))) == 3

    def test_the_command(self, folder, tmp_path):
        (folder / "train" / "a" / "0.jpg").write_bytes(b"")
        command = [
            sys.executable,
            "-m",
            "contrastive_jax",
            "prepare",
            "--dataset=mine",
            f"--data_dir={tmp_path}",
        ]
        command += [f"--from=folder:{folder}"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
        assert "1 pictures of" in done.stderr and "0.jpg" in done.stderr
        done = subprocess.run([*command, "--skip_corrupt"], capture_output=True, text=True)
        assert done.returncode == 0 and "tfds:mine is ready in" in done.stdout


def test_storing_needs_no_tensorflow(folder, tmp_path):
    code = (
        "import sys; from contrastive_jax.data.prepare import prepare; from contrastive_jax.data import sources;"
        f"prepare('mine', {str(tmp_path)!r}, source='folder:{folder}');"
        f"sources.load('tfds:mine', 'train', {str(tmp_path)!r}, 16);"
        "assert 'tensorflow' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


class TestTFRecord:
    """Writes the container by hand: length, checksum, bytes, checksum."""

    @pytest.fixture
    def tfrecord(self, folder, tmp_path):
        """A set in TFRecord files, the default of tensorflow-datasets."""
        import tensorflow_datasets as tfds

        made = pathlib.Path(prepare.prepare("mine", str(tmp_path / "new"), source=f"folder:{folder}"))
        old = tmp_path / "old" / "mine" / "1.0.0"
        shutil.copytree(made, old, ignore=shutil.ignore_patterns("*array_record*"))
        raw = tfds.decode.DeserializeMethod.RAW_BYTES
        info = json.loads((made / "dataset_info.json").read_text())
        for split in info["splits"]:
            records = iter(
                tfds.builder_from_directory(str(made)).as_data_source(split["name"], deserialize_method=raw)
            )
            lengths = list(map(int, split["shardLengths"]))
            for number, length in enumerate(lengths):
                file = old / f"mine-{split['name']}.tfrecord-{number:05d}-of-{len(lengths):05d}"
                framed = (
                    struct.pack("<QI", len(r), 0) + r + bytes(4) for r in itertools.islice(records, length)
                )
                file.write_bytes(b"".join(framed))
        (old / "dataset_info.json").write_text(json.dumps(info | {"fileFormat": "tfrecord"}))
        return old

    def test_converted_once(self, folder, tfrecord, tmp_path):
        with pytest.raises(InputError, match="only TensorFlow reads; convert it once"):
            sources.open_split("tfds:mine", "train", str(tmp_path / "old"))
        made = prepare.prepare("mine", str(tmp_path / "converted"), source=f"tfrecord:{tfrecord}")
        assert made == str(tmp_path / "converted" / "mine" / "1.0.0")
        assert equal(("tfds:mine", str(tmp_path / "converted")), (f"folder:{folder}", ""))

    def test_refusals(self, tfrecord, tmp_path):
        with pytest.raises(
            InputError, match="as tfrecord; convert it with .*--data_dir=OTHER --from=tfrecord:"
        ):
            prepare.prepare("mine", str(tmp_path / "old"))
        with pytest.raises(InputError, match="is not a directory of 'other'"):
            prepare.prepare("other", str(tmp_path / "x"), source=f"tfrecord:{tfrecord}")
        file = next(tfrecord.glob("*train.tfrecord-00002*"))
        file.write_bytes(file.read_bytes()[:-9])
        with pytest.raises(InputError, match="00002-of-00004 is truncated"):
            prepare.prepare("mine", str(tmp_path / "x"), source=f"tfrecord:{tfrecord}")
        assert find_prepared("mine", str(tmp_path / "x")) is None
        left = os.listdir(tmp_path / "x" / "mine" / "1.0.0.incomplete")
        assert sum("array_record-" in name and ".part" not in name for name in left) >= 2
