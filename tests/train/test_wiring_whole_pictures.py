"""The sizes of pictures that vary reach every program that crops them, and the recipe decides how they are decoded."""

import dataclasses
import types

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from PIL import Image
from recording import Recording
from tiny import experiment

from contrastive_jax import linear_eval, main
from contrastive_jax.augment import Recipe
from contrastive_jax.data.batches import global_batch
from contrastive_jax.data.dataset import Dataset
from contrastive_jax.data.resident import resident
from contrastive_jax.evaluate.features import make_extract
from contrastive_jax.evaluate.monitor import Monitor, make_monitor
from contrastive_jax.evaluate.protocol import Protocol
from contrastive_jax.evaluate.settings import Evaluation
from contrastive_jax.methods import Collections
from contrastive_jax.parallel.mesh import batch_sharding, make_mesh
from contrastive_jax.train.optimizers import SGD
from contrastive_jax.train.run_directory import RunDirectory
from contrastive_jax.train.state import TrainState, create
from contrastive_jax.train.step import Training, compile_step, compile_steps

EMPTY = TrainState(jnp.asarray(0), {"w": jnp.zeros(3)}, Collections({}), (), ())
RECIPE = Recipe(size=8, mean=(0.0,), std=(1.0,), jitter_probability=0.0, gray_probability=0.0)
EXTENTS = np.random.default_rng(0).integers(4, 13, (21, 2)).astype(np.int32)


def white(count=21):
    """White pictures on black canvases: a view that is not white has seen more than the picture."""
    images = np.zeros((count, 16, 16, 1), np.uint8)
    for image, (height, width) in zip(images, EXTENTS[:count]):
        image[:height, :width] = 255
    return Dataset(images, np.full(count, -1, np.int32), 0, "white", EXTENTS[:count])


def without_extents(dataset):
    return dataclasses.replace(dataset, extents=None)


@pytest.mark.parametrize("devices", [1, 8])
@pytest.mark.parametrize("pipeline", ["resident", "stream"])
def test_training_sees_the_pictures_alone(pipeline, devices):
    mesh, schedule = make_mesh(jax.devices()[:devices]), optax.constant_schedule(0.1)
    training = Training(Recording(), SGD().transform(schedule), schedule, RECIPE, mesh)

    def views_of(dataset):
        state, rows = create(training.method, training.optimizer, 0, (8, 8, 1), mesh), np.arange(16)
        if pipeline == "resident":
            return compile_steps(training, resident(dataset, mesh), seed=0)(state, rows[None])[1]["view"]
        batch = global_batch(dataset, rows, batch_sharding(mesh))
        return compile_step(training, seed=0)(state, batch)[1]["view"]

    np.testing.assert_allclose(views_of(white()), 1.0, atol=1e-6)
    assert np.min(views_of(without_extents(white()))) < 0.9


def test_the_monitor_sees_the_pictures_alone():
    def figures(dataset):
        monitor = make_monitor(Monitor(examples=16), Recording(), RECIPE, dataset, 0, make_mesh())
        return monitor(EMPTY)

    found = figures(white())
    assert found["final/alignment"] < 1e-9  # two views of every picture are equal
    np.testing.assert_allclose(
        found["final/uniformity"], 0.0, atol=1e-5
    )  # and so are the pictures themselves
    assert figures(without_extents(white()))["final/alignment"] > 0.05


@pytest.mark.parametrize("key", [None, jax.random.key(3)])
def test_the_evaluation_sees_the_pictures_alone(key):
    extract, dataset = make_extract(Recording().features, RECIPE, make_mesh(), batch_size=8), white()
    found = extract({}, {}, dataset.images, key, dataset.extents)["final"]
    assert found.shape == (21, 64)
    np.testing.assert_allclose(found, 1.0, atol=1e-6)
    assert np.min(extract({}, {}, dataset.images, key)["final"]) < 0.5


def test_the_linear_evaluation_gives_each_set_its_extents():
    asked = []

    def extract(params, collections, images, key=None, extents=None):
        asked.append(extents)
        drawn = jax.random.key(0) if key is None else key
        return {"final": np.asarray(jax.random.normal(drawn, (len(images), 4)))}

    train, test = (
        dataclasses.replace(white(count), labels=np.arange(count, dtype=np.int32) % 2, num_classes=2)
        for count in (20, 8)
    )
    protocol = Protocol(epochs=2, batch_size=10, learning_rates=(0.1,), augment="crop_flip")
    linear_eval.judge_linearly(EMPTY, name="made", extract=extract, train=train, test=test, protocol=protocol)
    assert [len(extents) for extents in asked] == [20, 8, 20, 20]
    for extents in asked:
        np.testing.assert_array_equal(extents, EXTENTS[: len(extents)])


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    for split in ("train", "test"):
        for number, size in enumerate([(600, 450), (450, 600), (100, 80), (900, 500)]):
            path = folder / split / "ab"[number % 2] / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", size, (200, 100, 50)).save(path)
    return folder


def of_photographs(folder, **augment):
    chosen = experiment("supcon", data={"source": f"folder:{folder}"}, batch_size=2, augment=augment)
    return dataclasses.replace(chosen, recipe=dataclasses.replace(chosen.recipe, mean=(0.5,), std=(0.5,)))


@pytest.mark.parametrize(
    "low, size, canvas, view", [(0.08, 0, 448, 224), (0.5, 0, 336, 224), (0.5, 64, 96, 64)]
)
def test_the_recipe_decides_how_pictures_are_decoded(
    low, size, canvas, view, photographs, tmp_path, monkeypatch
):
    chosen = of_photographs(photographs, crop_scale=(low, 1.0), size=size, center_fraction=0.875)
    images = chosen.open("train")
    assert images.image_shape == (canvas, canvas, 3) and chosen.view_shape(images) == (view, view, 3)
    train, test = linear_eval.judged_on(chosen, Evaluation())
    assert train.image_shape == test.image_shape == (canvas, canvas, 3)

    seen = []

    def stop(*args, **kwargs):
        seen.append(args)
        raise InterruptedError

    monkeypatch.setattr(main, "make_monitor", lambda *args: seen.append(args) or (lambda state: {}))
    monkeypatch.setattr(main, "create", lambda *args: EMPTY)
    monkeypatch.setattr(main, "open_feed", stop)
    monkeypatch.setattr(main, "data_devices", lambda mesh: 1)
    run = RunDirectory(tmp_path / "run")
    with run.open({}), pytest.raises(InterruptedError):
        main.fit(chosen, Recording(), images, run)
    (_, _, monitored, *_), (_, training, *_) = seen
    assert monitored == training.recipe == dataclasses.replace(chosen.recipe, size=view)


@pytest.mark.parametrize("size, view", [(16, 16), (0, 224)])
def test_the_linear_evaluation_crops_and_compares_as_the_run_says(
    size, view, photographs, tmp_path, monkeypatch
):
    chosen = of_photographs(photographs, crop_scale=(0.5, 1.0), size=size, center_fraction=0.5)
    seen, pixels = [], []
    restored = types.SimpleNamespace(restore=lambda *args: EMPTY, close=lambda: None)
    found = types.SimpleNamespace(top1={"final": 50.0})
    monkeypatch.setattr(linear_eval, "create", lambda *args: EMPTY)
    monkeypatch.setattr(linear_eval, "Checkpoints", lambda *args, **kwargs: restored)
    monkeypatch.setattr(linear_eval, "make_extract", lambda *args, **kwargs: seen.append(args[1]) or print)
    monkeypatch.setattr(linear_eval, "report", lambda result: {})
    monkeypatch.setattr(linear_eval, "judge_linearly", lambda *args, **kwargs: (found, {}, {}))
    monkeypatch.setattr(
        linear_eval.baselines, "pixel_logistic_regression", lambda *args: pixels.extend(args) or 1.0
    )
    run = RunDirectory(tmp_path / "run")
    with run.open({}):
        linear_eval.judge_run(chosen, run, Evaluation(knn=()), Protocol())
    (recipe,) = seen
    assert (recipe.size, recipe.center_fraction, recipe.crop_scale) == (view, 0.5, (0.5, 1.0))
    for images in (pixels[0], pixels[2]):
        assert images.shape == (4, view, view, 3)
        np.testing.assert_array_equal(images, np.broadcast_to(np.array([200, 100, 50]), images.shape))
