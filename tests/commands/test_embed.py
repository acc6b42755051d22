"""`embed`: pictures of any source to a file of vectors, complete or absent."""

import csv
import pathlib

import commandline
import numpy as np
import pytest
from made_runs import folder, on_pictures, plain, save
from PIL import Image

from contrastive_jax import load_encoder, vector_files
from contrastive_jax.commands.embed import COMMAND
from contrastive_jax.data.sources import load
from contrastive_jax.errors import InputError


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A run on pictures that vary in size, one on gray digits, and pictures with and without classes."""
    root = tmp_path_factory.mktemp("root")
    folder(root / "sorted", [(48, 64), (64, 48), (24, 20)])
    (root / "flat").mkdir()
    for path in (root / "sorted" / "red").iterdir():
        Image.open(path).resize((30, 50)).save(root / "flat" / path.name)
    colored = on_pictures(root / "sorted", augment__size=16)
    save(root / "color", colored, colored.open("train"))
    gray = plain("selfcon_s")
    save(root / "gray", gray, gray.open("train"), steps=(3, 5))
    return root


def embed(root, run, output, *flags) -> int:
    return COMMAND.main(
        [f"--run={root / run}", f"--output={output}", "--workers=0", "--batch_size=8", *flags]
    )


def decoded(path, side=32) -> tuple[np.ndarray, tuple[int, int]]:
    """A picture in the corner of a black image, shrunk to that longest side, by Pillow alone."""
    picture = Image.open(path)
    scale = min(1.0, side / max(picture.size))
    width, height = (round(length * scale) for length in picture.size)
    image = np.zeros((side, side, 3), np.uint8)
    image[:height, :width] = np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR))
    return image, (height, width)


def test_a_sorted_folder_with_names_and_labels(root, tmp_path, capsys):
    """In the order of the paths, in batches that do not divide the number of pictures."""
    file = tmp_path / "a.npz"
    assert embed(root, "color", file, f"--source=folder:{root / 'sorted'}") == 0
    assert f"{file}: 12 vectors of 12, from {root / 'color'} at step 0" in capsys.readouterr().out
    found = np.load(file)
    paths = sorted(str(path) for path in (root / "sorted").glob("*/*.png"))
    assert set(found) == {"vectors", "names", "labels"} and found["names"].tolist() == paths
    assert found["labels"].tolist() == [int("/red/" in path) for path in paths]
    assert found["labels"].dtype == np.int32 and found["vectors"].dtype == np.float32
    images, extents = zip(*map(decoded, paths), strict=True)
    expected = load_encoder(root / "color").embed(np.array(images), np.array(extents, np.int32))
    np.testing.assert_allclose(found["vectors"], expected, rtol=1e-4, atol=1e-4)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_a_flat_folder_has_names_and_no_labels(root, tmp_path):
    assert embed(root, "color", tmp_path / "a.npz", f"--source=folder:{root / 'flat'}") == 0
    found = np.load(tmp_path / "a.npz")
    assert set(found) == {"vectors", "names"} and len(found["vectors"]) == 6
    assert found["names"].tolist() == sorted(map(str, (root / "flat").iterdir()))


def test_the_formats_hold_the_same(root, tmp_path):
    for suffix in vector_files.WRITERS:
        assert (
            embed(root, "color", tmp_path / f"a{suffix}", "--exit=block1") == 0
        )  # of the run's own pictures
    packed, vectors = np.load(tmp_path / "a.npz"), np.load(tmp_path / "a.npy")
    np.testing.assert_array_equal(packed["vectors"], vectors)
    with (tmp_path / "a.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["name", "label", *map(str, range(12))]
    assert [row[0] for row in rows] == packed["names"].tolist()
    assert [int(row[1]) for row in rows] == packed["labels"].tolist()
    np.testing.assert_array_equal(np.array([row[2:] for row in rows], np.float32), vectors)


def test_split_step_and_exit_are_those_of_the_flags(root, tmp_path):
    images = load("digits", "test[:20]")
    for step, exit in ((3, "block1"), (3, "final"), (5, "final")):
        file = tmp_path / f"{step}{exit}.npz"
        assert embed(root, "gray", file, "--split=test[:20]", f"--step={step}", f"--exit={exit}") == 0
        found = np.load(file)
        assert set(found) == {"vectors", "labels"} and found["labels"].tolist() == images.labels.tolist()
        expected = load_encoder(root / "gray", step=step, exit=exit).embed(images.images)
        np.testing.assert_allclose(found["vectors"], expected, rtol=1e-5, atol=1e-5)


def test_an_encoder_of_gray_images_sees_pictures_in_gray(root, tmp_path):
    assert embed(root, "gray", tmp_path / "a.npy", f"--source=folder:{root / 'flat'}") == 0
    first = Image.open(sorted((root / "flat").iterdir())[0]).convert("L")
    encoder = load_encoder(root / "gray")
    found = np.load(tmp_path / "a.npy")[0]
    expected = encoder.embed(np.asarray(first)[None, ..., None])[0]
    assert np.linalg.norm(found - expected) < 0.1 * np.linalg.norm(expected)  # decoded smaller first


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--output=a.parquet"], "a.parquet does not end in .npy, .npz or .csv: choose"),
        (["--output=EXISTING"], "exists already: choose another name"),
        (["--output=nowhere/a.npz"], "there is no folder nowhere: make it"),
        (["--run=nowhere"], "nowhere is not a run"),
        (["--exit=blok1"], "has no exit 'blok1': did you mean 'block1'?"),
        (["--step=9"], "no checkpoint of step 9"),
        (["--split=val"], "there is no split 'val'; valid: train. Give --split."),
        (["--source=folder:/nowhere"], "there is no folder /nowhere"),
        (["--source=digits"], "images have 1 channel, and this encoder was trained on 3"),
    ],
)
def test_bad_input_is_refused_in_one_sentence_and_leaves_no_file(root, tmp_path, capsys, flags, words):
    existing = tmp_path / "old.npz"
    existing.write_bytes(b"precious")
    flags = [flag.replace("EXISTING", str(existing)) for flag in flags]
    assert embed(root, "color", tmp_path / "new.npz", *flags) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and words in said, said
    assert [path.name for path in tmp_path.iterdir()] == ["old.npz"] and existing.read_bytes() == b"precious"


def test_a_corrupt_picture_is_named_and_leaves_no_file(root, tmp_path, capsys):
    pictures = folder(tmp_path / "pictures", [(20, 30)])
    bad = pictures / "red" / "10.png"
    bad.write_bytes(bad.read_bytes()[:40])
    assert embed(root, "color", tmp_path / "a.npz", f"--source=folder:{pictures}") == 2
    assert f"{bad} cannot be decoded" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]


@pytest.mark.parametrize("suffix", vector_files.WRITERS)
def test_no_half_file(tmp_path, suffix):
    """While it is being written there is no file of that name, and after a failure no file at all."""

    def batches(fails):
        yield np.zeros((2, 3), np.float32)
        assert not path.exists() and len(list(tmp_path.iterdir())) == 1
        if fails:
            raise InputError("a picture is corrupt")

    path = tmp_path / f"a{suffix}"
    with pytest.raises(InputError, match="a picture is corrupt"):
        vector_files.write(path, batches(fails=True), (4, 3))
    assert not list(tmp_path.iterdir())
    vector_files.write(path, batches(fails=False), (2, 3))
    assert list(tmp_path.iterdir()) == [path]


def test_names_that_are_not_utf8_and_names_with_commas(tmp_path):
    names = ["a,b\n.png", b"caf\xe9.png".decode("utf-8", "surrogateescape")]
    for suffix in (".npz", ".csv"):
        vector_files.write(tmp_path / f"a{suffix}", [np.ones((2, 1), np.float32)], (2, 1), names=names)
    assert np.load(tmp_path / "a.npz")["names"].tolist() == names
    with (tmp_path / "a.csv").open(newline="", errors="surrogateescape", encoding="utf-8") as file:
        assert [row[0] for row in csv.reader(file)] == ["name", *names]


def test_pretrain_and_embed_as_commands(tmp_path):
    run = tmp_path / "run"
    commandline.run("main", *commandline.TINY, f"--workdir={run}", "--config.epochs=0.2")
    printed = commandline.run(
        "embed", f"--run={run}", "--split=test", f"--output={tmp_path / 'a.csv'}", devices=3
    )
    assert "360 vectors of 16" in printed
    assert len(pathlib.Path(tmp_path / "a.csv").read_text().splitlines()) == 361
