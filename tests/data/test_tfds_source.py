"""tensorflow-datasets: prepared in a process with TensorFlow, read without it, and no long wait when offline."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from contrastive_jax.data import prepare, sources
from contrastive_jax.data.encoded import EncodedImages
from contrastive_jax.errors import InputError

# In one process, because importing TensorFlow takes 6 seconds: arrays stored with --from, a set whose features have
# other names, and a tiny archive in CIFAR-10's binary format read by the Cifar10 builder of tensorflow-datasets (first
# with its real checksum, which does not match).
PREPARE = """
import hashlib, io, sys, tarfile, pathlib, unittest.mock
import numpy as np
import tensorflow_datasets as tfds
from contrastive_jax.data.prepare import prepare
from contrastive_jax.errors import InputError

folder = pathlib.Path(sys.argv[1])
prepare("tiny", str(folder), source=f"npz:{folder}/tiny.npz")

kinds = {"photo": tfds.features.Image(shape=(2, 2, 1)), "note": tfds.features.Text()}
kinds |= {name: tfds.features.ClassLabel(num_classes=n) for name, n in (("coarse", 2), ("label", 5))}
example = {"photo": np.full((2, 2, 1), 9, np.uint8), "note": "x", "coarse": 1, "label": 4}
tfds.dataset_builders.store_as_tfds_dataset(
    name="odd", version="2.0.0", features=tfds.features.FeaturesDict(kinds), data_dir=str(folder),
    split_datasets={"validation": [(0, example)]}, file_format="array_record",
)

records = np.load(folder / "records.npy")
files = {f"data_batch_{i + 1}.bin": records[4 * i : 4 * i + 4].tobytes() for i in range(5)}
files |= {"test_batch.bin": records[20:].tobytes(), "batches.meta.txt": "\\n".join("abcdefghij").encode()}
manual = folder / "manual"
manual.mkdir()
with tarfile.open(manual / "cifar-10-binary.tar.gz", "w:gz") as tar:
    for name, content in files.items():
        entry = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
try:
    prepare("cifar10", str(folder), manual_dir=str(manual))
except InputError as error:
    (folder / "wrong_checksum.txt").write_text(str(error))

archive = (manual / "cifar-10-binary.tar.gz").read_bytes()
(url,) = tfds.builder_cls("cifar10").url_infos
sha256 = hashlib.sha256(archive).hexdigest()
info = tfds.download.checksums.UrlInfo(len(archive), sha256, "cifar-10-binary.tar.gz")
with unittest.mock.patch.object(tfds.builder_cls("cifar10"), "url_infos", {url: info}):
    prepare("cifar10", str(folder), manual_dir=str(manual))
"""

READ = """
import sys
from contrastive_jax.data import sources
import contrastive_jax.data.batches, contrastive_jax.data.order
for name in ("tiny", "cifar10"):
    assert len(sources.load(f"tfds:{name}", "train", sys.argv[1])) == 20
assert "tensorflow_datasets" in sys.modules
assert "tensorflow" not in sys.modules
"""


def run_python(*arguments, **environment):
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})


@pytest.fixture(scope="module")
def given():
    """Arrays of 20 training and 8 test images, different in every pixel."""
    rng = np.random.default_rng(0)
    return {
        "train_images": rng.integers(0, 256, (20, 6, 5, 3), np.uint8),
        "train_labels": rng.integers(0, 4, 20),
        "test_images": rng.integers(0, 256, (8, 6, 5, 3), np.uint8),
        "test_labels": np.array([3, 2, 1, 0, 3, 2, 1, 0]),
    }


@pytest.fixture(scope="module")
def records():
    """Rows of CIFAR-10's binary format: the label, then the three planes."""
    rows = np.random.default_rng(1).integers(0, 256, (28, 3073), np.uint8)
    rows[:, 0] %= 10
    return rows


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory, given, records):
    folder = tmp_path_factory.mktemp("tfds")
    np.savez(folder / "tiny.npz", **given)
    np.save(folder / "records.npy", records)
    done = run_python("-c", PREPARE, folder, TF_CPP_MIN_LOG_LEVEL="2")
    assert done.returncode == 0, done.stderr[-3000:]
    return str(folder)


def test_stored_arrays_are_read_back_unchanged(data_dir, given):
    for split in ("train", "test"):
        got = sources.load("tfds:tiny", split, data_dir)
        np.testing.assert_array_equal(got.images, given[f"{split}_images"])
        np.testing.assert_array_equal(got.labels, given[f"{split}_labels"])
        assert (got.num_classes, got.name) == (4, "tfds:tiny")


@pytest.mark.parametrize(
    ("split", "rows"),
    [("train[:90%]", slice(0, 18)), ("train[33%:]", slice(7, 20)), ("train[5:7]", slice(5, 7))],
)
def test_ranges_agree_with_other_sources(data_dir, given, split, rows):
    np.testing.assert_array_equal(
        sources.load("tfds:tiny", split, data_dir).images, given["train_images"][rows]
    )


def test_expressions_of_tensorflow_datasets_work(data_dir):
    assert len(sources.load("tfds:tiny", "train[:10%]+test[-3:]", data_dir)) == 5


def test_the_real_cifar10_builder(data_dir, records):
    for split, rows in (("train", records[:20]), ("test", records[20:])):
        got = sources.load("tfds:cifar10", split, data_dir)
        read = np.concatenate([got.labels[:, None], got.images.transpose(0, 3, 1, 2).reshape(-1, 3072)], 1)
        # tensorflow-datasets shuffles what it prepares.
        np.testing.assert_array_equal(read[np.lexsort(read.T[:2])], rows[np.lexsort(rows.T[:2])])
        assert got.num_classes == 10


def test_reading_imports_no_tensorflow(data_dir):
    done = run_python("-c", READ, data_dir)
    assert done.returncode == 0, done.stderr[-3000:]


def test_preparing_again_keeps_the_prepared_set(data_dir):
    assert prepare.prepare("tiny", data_dir) == os.path.join(data_dir, "tiny", "1.0.0")
    with pytest.raises(InputError, match="already has 'tiny' as array_record; delete that folder"):
        prepare.prepare("tiny", data_dir, source="digits")


def test_an_archive_with_another_checksum_is_rejected(data_dir):
    with open(os.path.join(data_dir, "wrong_checksum.txt")) as file:
        assert "preparing 'cifar10' failed (Artifact" in file.read()


@pytest.mark.parametrize(
    ("split", "sentence"),
    [
        ("nope", "Unknown split 'nope'.*of train .20., test .8."),
        ("train[50:60]", "incompatible with 20 examples"),
        ("train[5:5]", "use a non-empty range of train"),
        ("train[9:5]", "use a non-empty range of train"),
        ("train[", "cannot be read"),
    ],
)
def test_bad_splits(data_dir, split, sentence):
    with pytest.raises(InputError, match=sentence):
        sources.load("tfds:tiny", split, data_dir)


def test_features_of_other_names_are_found_by_their_type(data_dir):
    got = sources.load("tfds:odd:2.0.0", "validation", data_dir)
    assert (got.images.tolist(), got.labels.tolist(), got.num_classes) == ([[[[9], [9]], [[9], [9]]]], [4], 5)


def variable_height(features):
    features["image"]["image"]["shape"]["dimensions"][0] = "-1"


def text_for_label(features):
    features["label"] = {"pythonClassName": "tensorflow_datasets.core.features.text_feature.Text", "text": {}}


def copy_with(data_dir, tmp_path, change):
    file = copy_of_tiny(data_dir, tmp_path) / "features.json"
    content = json.loads(file.read_text())
    change(content["featuresDict"]["features"])
    file.write_text(json.dumps(content))


def test_images_that_may_vary_in_size_stay_encoded(data_dir, tmp_path, given):
    copy_with(data_dir, tmp_path, variable_height)
    got = sources.open_split("tfds:tiny", "train[3:]", str(tmp_path))
    assert isinstance(got, EncodedImages)
    assert got.image_shape == (6, 5, 3)  # in fact they do not vary
    np.testing.assert_array_equal(got.in_memory().images, given["train_images"][3:])
    np.testing.assert_array_equal(got.labels, given["train_labels"][3:])


def test_a_set_without_a_label_feature_is_unlabelled(data_dir, tmp_path, given):
    copy_with(data_dir, tmp_path, text_for_label)
    got = sources.load("tfds:tiny", "train", str(tmp_path))
    np.testing.assert_array_equal(got.images, given["train_images"])
    assert (got.num_classes, got.labelled, set(got.labels)) == (0, False, {-1})


def test_a_directory_by_its_path(data_dir, given):
    got = sources.load(f"array_record:{data_dir}/tiny/1.0.0", "test")
    np.testing.assert_array_equal(got.images, given["test_images"])
    with pytest.raises(InputError, match="has no dataset_info.json"):
        sources.load(f"array_record:{data_dir}/tiny", "test")


def test_files_that_only_tensorflow_reads(data_dir, tmp_path):
    file = copy_of_tiny(data_dir, tmp_path) / "dataset_info.json"
    file.write_text(file.read_text().replace('"array_record"', '"tfrecord"'))
    with pytest.raises(
        InputError, match="as tfrecord, which only TensorFlow reads; convert it once .*--from=tfrecord:"
    ):
        sources.load("tfds:tiny", "train", str(tmp_path))
    with pytest.raises(InputError, match="already has 'tiny' as tfrecord; convert it"):
        prepare.prepare("tiny", str(tmp_path))


def copy_of_tiny(data_dir, tmp_path):
    return pathlib.Path(shutil.copytree(f"{data_dir}/tiny/1.0.0", tmp_path / "tiny" / "1.0.0"))


class TestMissing:
    def test_reading_names_the_ways_to_provide_it(self, tmp_path):
        with pytest.raises(InputError) as caught:
            sources.load("tfds:cifar10", "train", str(tmp_path))
        for way in (f"--data_dir={tmp_path}", "--dataset=cifar10", "--manual_dir=", "--from=cifar_batches:"):
            assert way in str(caught.value)

    @pytest.mark.parametrize(
        ("name", "sentence"),
        [
            ("cifar01", r"no data set of that name \(did you mean 'cifar10'\?\); to store local data"),
            ("my_own_photos_of_bolts", "no data set of that name; to store local data"),
            ("", "is not a name of a tfds data set"),
            ("a b", "is not a name of a tfds data set"),
        ],
    )
    def test_unknown_names(self, tmp_path, name, sentence):
        for attempt in (lambda: sources.load(f"tfds:{name}", "train", str(tmp_path)),
                        lambda: prepare.prepare(name, str(tmp_path))):  # fmt: skip
            with pytest.raises(InputError, match=sentence):
                attempt()

    def test_the_environment_names_the_default_folder(self, tmp_path, monkeypatch):
        monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "there"))
        with pytest.raises(InputError, match=f"not prepared in {tmp_path}/there"):
            sources.load("tfds:mnist", "train")

    def test_a_stored_name_must_be_an_identifier(self, tmp_path):
        with pytest.raises(InputError, match="use lower-case letters"):
            prepare.prepare("MyPhotos", str(tmp_path), source="digits")

    def test_a_set_that_must_be_downloaded_manually(self, tmp_path):
        with pytest.raises(
            InputError, match="manually into a --manual_dir=FOLDER: .*ILSVRC2012_img_train.tar"
        ):
            prepare.prepare("imagenet2012", str(tmp_path))

    def test_the_command_fails_at_once_without_a_network(self, tmp_path):
        nowhere = "http://127.0.0.1:9"  # a proxy that refuses connections simulates a missing network
        proxies = {key: nowhere for key in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")}
        start = time.monotonic()
        done = run_python(
            "-m", "contrastive_jax", "prepare", "--dataset=cifar10", f"--data_dir={tmp_path}", **proxies
        )  # fmt: skip
        assert time.monotonic() - start < 10
        assert done.returncode == 2
        (sentence,) = done.stderr.splitlines()
        assert sentence.startswith(
            "error: www.cs.toronto.edu, which has cifar-10-binary.tar.gz, does not answer"
        )
        assert "--manual_dir=FOLDER" in sentence and "--from=cifar_batches:/dir" in sentence
