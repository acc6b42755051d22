"""A user with a folder of pictures trains with one command and evaluates on labelled pictures with another."""

import json

import numpy as np
import pytest
from commandline import error, lines, run
from PIL import Image

TINY = (
    "--config.network.width=4",
    "--config.network.stem=patch2",
    "--config.batch_size=16",
    "--config.epochs=2.0",
    "--config.log.every_steps=1",
    "--config.monitor.examples=16",
)


def picture(path, color, rng):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = rng.integers(0, 60, (16, 16, 3)) + np.array(color)
    Image.fromarray(noise.astype(np.uint8)).save(path)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    root, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for i in range(40):
        picture(root / "plain" / f"{i}.png", rng.integers(0, 190, 3), rng)
    for name, color in (("red", (190, 20, 20)), ("blue", (20, 20, 190))):
        for split, count in (("train", 24), ("test", 8)):
            for i in range(count):
                picture(root / "sorted" / split / name / f"{i}.jpg", color, rng)
    return root


def test_training_on_unlabelled_pictures_and_evaluation_on_labelled_ones(pictures, tmp_path):
    config = (
        "--config=configs/simclr.py:folder,resnet8",
        f"--config.data.source=folder:{pictures / 'plain'}",
        *TINY,
    )
    run("main", *config, f"--workdir={tmp_path / 'resident'}")
    resident = lines(tmp_path / "resident")
    assert len(resident) == 4 and "final/rankme" in resident[-1] and "final/online_knn" not in resident[-1]
    judge = ("--config=configs/linear_eval.py:quick", f"--config.pretrained={tmp_path / 'resident'}")
    assert "give --config.source" in error("linear_eval", *judge)
    run(
        "linear_eval",
        *judge,
        "--config.folder=elsewhere",
        f"--config.source=folder:{pictures / 'sorted'}",
        "--config.protocol.epochs=3",
        "--config.schedule.milestones=(2,)",
        "--config.knn=(5,)",
    )
    found = json.loads((tmp_path / "resident" / "elsewhere" / "summary.json").read_text())
    assert found["top1"]["5-NN, final"] == 100


def test_a_method_that_needs_labels_rejects_unlabelled_pictures(pictures, tmp_path):
    source = f"--config.data.source=folder:{pictures / 'plain'}"
    sentence = error(
        "main", "--config=configs/supcon.py:folder,resnet8", source, *TINY, f"--workdir={tmp_path}"
    )
    assert "has no labels, and this method learns from labels" in sentence
    assert not list(tmp_path.iterdir())


def test_pictures_that_vary_in_size_reach_every_program(tmp_path):
    """Both pipelines, the monitor, the linear evaluation and its raw pixels, on pictures of three shapes."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 24), ("test", 9)):
        for i in range(count):
            path = tmp_path / "pictures" / split / ("red", "blue")[i % 2] / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            height, width = [(40, 60), (60, 40), (24, 20)][i % 3]
            noise = rng.integers(0, 60, (height, width, 3)) + np.array([(190, 20, 20), (20, 20, 190)][i % 2])
            Image.fromarray(noise.astype(np.uint8)).save(path)
    config = (
        "--config=configs/supcon.py:folder,resnet8",
        f"--config.data.source=folder:{tmp_path / 'pictures'}",
        "--config.augment.size=16",
        "--config.augment.center_fraction=0.8",
        *TINY,
    )
    for pipeline in ("resident", "stream"):
        run("main", *config, f"--config.data.pipeline={pipeline}", f"--workdir={tmp_path / pipeline}")
    resident, stream = ([x["loss"] for x in lines(tmp_path / name)] for name in ("resident", "stream"))
    assert len(resident) == 2 and "final/online_knn" in lines(tmp_path / "stream")[-1]
    np.testing.assert_allclose(resident, stream, rtol=1e-5)
    run(
        "linear_eval",
        "--config=configs/linear_eval.py:quick",
        f"--config.pretrained={tmp_path / 'stream'}",
        "--config.protocol.epochs=3",
        "--config.protocol.augment=crop_flip",
        "--config.schedule.milestones=(2,)",
        "--config.knn=(5,)",
    )
    found = json.loads((tmp_path / "stream" / "linear_eval" / "summary.json").read_text())
    assert found["top1"]["5-NN, final"] == found["top1"]["raw pixels, logistic regression"] == 100


@pytest.mark.slow
def test_stream_and_resident_pipelines_give_the_same_losses(pictures, tmp_path):
    config = (
        "--config=configs/supcon.py:folder,resnet8",
        f"--config.data.source=folder:{pictures / 'sorted'}",
        *TINY,
    )
    for pipeline in ("resident", "stream"):
        run("main", *config, f"--config.data.pipeline={pipeline}", f"--workdir={tmp_path / pipeline}")
    resident, stream = ([x["loss"] for x in lines(tmp_path / name)] for name in ("resident", "stream"))
    assert len(resident) == 6
    np.testing.assert_allclose(resident, stream, rtol=1e-5)
