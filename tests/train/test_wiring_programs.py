"""Pretraining and the linear evaluation hand on what their configs say: another value gives another, known result."""

import itertools
import json
import types

import jax
import jax.numpy as jnp
import numpy as np
import optax
import PIL.Image
import pytest
from recording import Recording
from tiny import experiment

from contrastive_jax import linear_eval, main
from contrastive_jax.augment.views import Recipe
from contrastive_jax.config.presets import evaluation
from contrastive_jax.data.dataset import Dataset
from contrastive_jax.data.order import Order
from contrastive_jax.data.sources import load
from contrastive_jax.errors import InputError, Interrupted
from contrastive_jax.evaluate.features import make_extract
from contrastive_jax.evaluate.protocol import Protocol
from contrastive_jax.evaluate.settings import Evaluation
from contrastive_jax.methods import Collections
from contrastive_jax.methods.student_teacher import TeacherState
from contrastive_jax.parallel.mesh import make_mesh
from contrastive_jax.train.optimizers import SGD
from contrastive_jax.train.run_directory import RunDirectory
from contrastive_jax.train.state import TrainState
from contrastive_jax.train.step import Training


class Enough(Exception):
    """Raised where a test has seen what it wants to see."""


EMPTY = TrainState(jnp.asarray(0), {"w": jnp.zeros(3)}, Collections({}), (), ())


def opened(folder):
    """A new run."""
    run = RunDirectory(folder / "run")
    with run.open({}):
        return run


def stop(seen):
    """A function that notes its arguments and ends the program."""

    def called(*args, **kwargs):
        seen.extend((*args, kwargs))
        raise Enough

    return called


@pytest.mark.parametrize("seed, parts, epochs, batch_size", [(5, 2, 2.0, 32), (6, 1, 3.0, 64)])
def test_pretraining_hands_on_the_fields_of_its_config(
    seed, parts, epochs, batch_size, tmp_path, monkeypatch
):
    seen, created, method = [], [], Recording()
    monkeypatch.setattr(main, "open_feed", stop(seen))
    monkeypatch.setattr(main, "create", lambda *args: created.extend(args) or EMPTY)
    monkeypatch.setattr(main, "make_monitor", lambda *args: lambda state: {})
    chosen = experiment(
        "supcon",
        seed=seed,
        micro_batches=parts,
        epochs=epochs,
        batch_size=batch_size,
        augment={"crop_scale": (0.4, 0.9)},
    )
    images = load("digits", "train")
    with pytest.raises(Enough):
        main.fit(chosen, method, images, opened(tmp_path))

    _, training, _, order, _, numbers = seen
    steps_per_epoch = len(images) // batch_size
    total = round(epochs * steps_per_epoch)
    assert numbers == {"first": 0, "total": total}
    assert (training.micro_batches, training.method) == (parts, method)
    assert training.recipe == chosen.recipe and training.recipe.crop_scale == (0.4, 0.9)
    assert (order.seed, order.batch_size, order.steps_per_epoch) == (seed, batch_size, steps_per_epoch)
    np.testing.assert_allclose(training.schedule(0), 0.05, rtol=1e-6)  # a cosine over the whole run
    expected = 0.025 * (1 + np.cos(np.pi * (total - 1) / total))
    np.testing.assert_allclose(training.schedule(total - 1), expected, rtol=1e-4)
    assert created[:3] == [method, training.optimizer, seed] and created[3] == (8, 8, 1)
    assert created[4] == training.mesh


@pytest.mark.parametrize("pipeline, compiler", [("resident", "compile_steps"), ("stream", "compile_step")])
def test_the_feed_starts_at_the_first_step_with_the_runs_seed(pipeline, compiler, tmp_path, monkeypatch):
    seeds = []
    monkeypatch.setattr(main, compiler, lambda *args, seed: seeds.append(seed) or print)
    images = load("digits", "train")
    run, schedule = opened(tmp_path), optax.constant_schedule(0.1)
    training = Training(Recording(), SGD().transform(schedule), schedule, Recipe(), make_mesh())
    order = Order(experiment("supcon").sampler, images.labels, 3, 16)
    for seed, first in ((3, 0), (4, 5)):
        chosen = experiment("supcon", seed=seed, data={"pipeline": pipeline, "workers": 0})
        _, batches = main.open_feed(chosen, training, images, order, run, first=first, total=9)
        batch = next(batches)
        batches.close()
        rows = batch[0] if pipeline == "resident" else batch["index"]
        np.testing.assert_array_equal(rows, order.at(first))
    assert seeds == [3, 4]


FULL = dict(
    jitter_probability=0.9, gray_probability=0.4, blur_probability=(0.5,), solarize_probability=(0.2,)
)
FULL |= dict(policy="randaugment", warp_probability=0.3, erase_probability=0.3, cutout=2, rotation=10.0)


@pytest.mark.parametrize(
    "crop_scale, flip, of_protocol",
    [((0.3, 0.7), 0.25, ()), ((0.5, 1.0), 0.0, ()), ((0.5, 1.0), 0.0, (0.1, 0.4))],
)
def test_the_linear_evaluation_sees_crops_and_flips_alone(
    crop_scale, flip, of_protocol, tmp_path, monkeypatch
):
    """Whatever else the pretraining's recipe does. The protocol's crops replace the pretraining's."""
    seen = []
    restored = types.SimpleNamespace(restore=lambda *args: EMPTY, close=lambda: None)
    monkeypatch.setattr(linear_eval, "create", lambda *args: EMPTY)
    monkeypatch.setattr(linear_eval, "Checkpoints", lambda *args, **kwargs: restored)
    monkeypatch.setattr(linear_eval, "make_extract", stop(seen))
    full = experiment("supcon", augment=FULL | {"crop_scale": crop_scale, "flip": flip, "random_bits": 2})
    with pytest.raises(Enough):
        linear_eval.judge_run(
            full, opened(tmp_path), Evaluation(batch_size=24), Protocol(crop_scale=of_protocol)
        )

    _, recipe, _, options = seen
    kept = dict(
        mean=full.recipe.mean,
        std=full.recipe.std,
        random_bits=2,
        crop_scale=of_protocol or crop_scale,
        flip=flip,
    )
    assert recipe == Recipe(**kept, jitter_probability=0.0, gray_probability=0.0)
    for name, off in (("blur_probability", (0.0,)), ("solarize_probability", (0.0,)), ("policy", "none")):
        assert getattr(recipe, name) == off
    for name in ("warp_probability", "erase_probability", "cutout", "rotation"):
        assert getattr(recipe, name) == 0
    assert options == {"batch_size": 24}


class Extract:
    """Random features; notes the key of every call."""

    def __init__(self):
        self.keys = []

    def __call__(self, params, collections, images, key=None, extents=None):
        self.keys.append(None if key is None else tuple(np.asarray(jax.random.key_data(key))))
        drawn = jax.random.key(0) if key is None else key
        return {"final": np.asarray(jax.random.normal(drawn, (len(images), 4)))}


def judged(**fields):
    """The keys with which the linear evaluation asked for features, and the losses of the epochs."""
    images = np.zeros((20, 4, 4, 1), np.uint8)
    train = test = Dataset(images, np.arange(20, dtype=np.int32) % 2, 2, "made")
    extract = Extract()
    protocol = Protocol(**dict(epochs=3, batch_size=10, learning_rates=(0.1,)) | fields)
    result, _, _ = linear_eval.judge_linearly(
        EMPTY, name="made", extract=extract, train=train, test=test, protocol=protocol
    )
    return extract.keys, result.train_loss["final"]


def test_every_epoch_of_the_linear_evaluation_is_augmented_anew():
    keys, losses = judged(augment="crop_flip")
    assert keys[:2] == [None, None], "the clean features of both sets come first"
    epochs = keys[2:]
    assert len(epochs) == len(set(epochs)) == 3 and None not in epochs
    assert judged(augment="crop_flip")[0] == keys
    other, _ = judged(augment="crop_flip", seed=1)
    assert not set(other[2:]) & set(epochs), "the protocol's seed has no influence"
    plain, unchanged = judged(augment="none")
    assert plain == [None, None] and losses != unchanged


def test_a_key_augments_every_image_and_no_key_leaves_it_alone():
    recipe = Recipe(
        mean=(0.5,), std=(0.5,), crop_scale=(0.3, 0.6), jitter_probability=0.0, gray_probability=0.0
    )
    images = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 1), np.uint8)
    extract = make_extract(Recording().features, recipe, make_mesh(), batch_size=8)
    one, again, other = (extract({}, {}, images, jax.random.key(seed))["final"] for seed in (0, 0, 1))
    still = extract({}, {}, images)["final"]
    np.testing.assert_allclose(still, (images.reshape(16, -1) / 255 - 0.5) / 0.5, atol=1e-6)
    np.testing.assert_array_equal(one, again)
    for a, b in ((one, other), (one, still), (one[:8], one[8:])):
        assert np.mean(np.isclose(a, b, atol=1e-4)) < 0.2
    twice = extract({}, {}, np.concatenate([images[:8], images[:8]]), jax.random.key(0))["final"]
    assert np.mean(np.isclose(twice[:8], twice[8:], atol=1e-4)) < 0.2, "both batches draw the same crops"


def test_the_checkpoint_and_network_of_the_settings_are_judged_and_the_control_is_untrained(
    tmp_path, monkeypatch
):
    asked, judged = [], []

    def of(step, student, teacher):
        networks = Collections({"student": jnp.ones(())}, {"teacher": jnp.ones(())})
        return TrainState(jnp.asarray(step), {"w": student}, networks, TeacherState({"w": teacher}), ())

    untrained, trained = of(0, 1.0, 2.0), of(9, 3.0, 4.0)
    restored = types.SimpleNamespace(
        restore=lambda state, step: asked.append(step) or trained, close=lambda: None
    )
    found = types.SimpleNamespace(top1={"final": 50.0})
    monkeypatch.setattr(linear_eval, "create", lambda *args: untrained)
    monkeypatch.setattr(linear_eval, "Checkpoints", lambda *args, **kwargs: restored)
    monkeypatch.setattr(linear_eval, "make_extract", lambda *args, **kwargs: print)
    monkeypatch.setattr(linear_eval, "report", lambda result: {})
    monkeypatch.setattr(linear_eval.baselines, "pixel_logistic_regression", lambda *args: 1.0)
    monkeypatch.setattr(
        linear_eval,
        "judge_linearly",
        lambda state, *, name, **rest: judged.append((name, state)) or (found, {}, {}),
    )
    for step, network in ((-1, "student"), (4, "teacher")):
        settings = Evaluation(step=step, judged=network, knn=(), controls=True)
        (tmp_path / str(step)).mkdir()
        summary = linear_eval.judge_run(
            experiment("supcon_queue"), opened(tmp_path / str(step)), settings, Protocol()
        )
        assert summary["step"] == 9
    assert asked == [None, 4]
    assert [(name, state.params["w"], *state.collections.network) for name, state in judged] == [
        ("trained encoder", 3.0, "student"),
        ("untrained encoder", 1.0, "student"),
        ("trained encoder", 4.0, "teacher"),
        ("untrained encoder", 2.0, "teacher"),
    ]


def folder_of(root, *splits, count=8):
    """Pictures of two classes in the splits of a folder."""
    rng = np.random.default_rng(0)
    for split, name, number in itertools.product(splits, ("a", "b"), range(count)):
        file = root / split / name / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).save(file)
    return f"folder:{root}"


@pytest.mark.parametrize(
    "method, folder, splits, data, warned, advised",
    [
        ("supcon", "", ("",), {}, True, True),
        ("supcon", "", ("",), {"train_split": "train[50%:]"}, True, False),
        ("supcon", "", ("train", "test"), {}, False, False),
        ("simclr", "/a", ("",), {}, False, False),
    ],
    ids=["one folder", "half of it", "two splits", "no labels"],
)
def test_pretraining_says_before_its_first_start_that_nothing_is_left_to_test_on(
    method, folder, splits, data, warned, advised, tmp_path, monkeypatch, capsys
):
    """And how to hold a part out, where no part is. Without labels nothing can be judged anyway."""
    monkeypatch.setattr(main, "fit", lambda *args: None)
    source = folder_of(tmp_path / "pictures", *splits, count=16) + folder
    config = experiment(method, data={"source": source, **data}).config
    main.pretrain(config, workdir=str(tmp_path / "run"))
    printed = capsys.readouterr().out
    assert ("no test images" in printed, "Hold a part out" in printed) == (warned, advised)
    assert ("--config.data.test_split='train[90%:]'" in printed) == advised
    (tmp_path / "run" / "checkpoints").mkdir()
    main.pretrain(config, workdir=str(tmp_path / "run"))
    assert not capsys.readouterr().out


def test_pretraining_says_that_the_rate_never_gets_to_its_peak(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(main, "create", stop([]))
    for name, epochs in (("short", 1.0), ("long", 9.0)):
        rate = {"peak": 0.1, "scaling": "linear", "reference_batch": 8}
        chosen = experiment("supcon", epochs=epochs, schedule={"warmup_epochs": 3.0}, learning_rate=rate)
        with pytest.raises(Enough):
            main.fit(chosen, Recording(), load("digits", "train"), opened(tmp_path / name))
        printed = capsys.readouterr().out
        assert [words in printed for words in ("still rises", "(the peak is 0.2)")] == [name == "short"] * 2


def test_ctrl_c_before_the_first_checkpoint_says_so_and_frees_the_workdir(tmp_path, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "create", lambda *args: EMPTY)
    monkeypatch.setattr(main, "make_monitor", lambda *args: lambda state: {})
    monkeypatch.setattr(main, "train", interrupt)
    run = RunDirectory(tmp_path / "run")
    with (
        pytest.raises(Interrupted, match="before the first checkpoint: nothing was kept"),
        run.open({"a": 1}),
    ):
        main.fit(experiment("supcon"), Recording(), load("digits", "train"), run)
    run.check({"a": 2})


def test_a_judgement_that_failed_leaves_its_folder_to_another(tmp_path, monkeypatch):
    run = RunDirectory(tmp_path / "run")
    with run.open(experiment("supcon").config):
        pass
    config = evaluation(optimizer="sgd", schedule="step").to_dict() | {"pretrained": str(run.path)}
    monkeypatch.setattr(linear_eval, "judge_run", stop([]))
    with pytest.raises(Enough):
        linear_eval.judge(config)
    found = {"step": 3, "top1": {"linear, final": 50.0}}
    monkeypatch.setattr(linear_eval, "judge_run", lambda *args: found)
    linear_eval.judge(config | {"batch_size": 64})
    summary = json.loads((run.path / "linear_eval" / "summary.json").read_text())
    assert summary.keys() == {*found, "seconds"}
    with pytest.raises(InputError, match="batch_size"):
        linear_eval.judge(config)


def test_the_linear_evaluation_is_told_what_to_test_on(tmp_path):
    chosen = experiment("supcon", data={"source": folder_of(tmp_path / "mine", "")})
    with pytest.raises(InputError, match="no split 'test'.*--config.test_split"):
        linear_eval.judged_on(chosen, Evaluation())
    splits = Evaluation(train_split="train[:75%]", test_split="train[75%:]")
    assert [len(part) for part in linear_eval.judged_on(chosen, splits)] == [12, 4]
    resized = {"train_split": "train[:90%]", "test_split": "train[90%:]", "image_size": 6}
    folder_of(tmp_path / "other", "train", "test", count=3)
    other = Evaluation(source="folder:other", data_dir=str(tmp_path))
    found = linear_eval.judged_on(experiment("supcon", data=resized), other)
    assert [part.in_memory().images.shape for part in found] == [(6, 6, 6, 3)] * 2
