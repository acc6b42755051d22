"""`load_encoder`: what the linear evaluation extracts, and pure functions under transforms."""

import json
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made_runs import folder, on_pictures, plain, save

import contrastive_jax
from contrastive_jax import conformance
from contrastive_jax.augment import geometry_only
from contrastive_jax.errors import InputError
from contrastive_jax.evaluate.features import make_extract
from contrastive_jax.parallel.mesh import make_mesh
from contrastive_jax.train.checkpoint import Checkpoints


@pytest.fixture(scope="module", params=["gray", "rgb", "varying"])
def saved(request, tmp_path_factory):
    """(run directory, its experiment, its images, its state)"""
    root = tmp_path_factory.mktemp(request.param)
    if request.param == "gray":
        experiment = conformance.experiment("selfcon_s")
    else:
        sizes = {"rgb": [(8, 10)], "varying": [(40, 60), (60, 40), (24, 20)]}
        source = folder(root / "pictures", sizes[request.param])
        extra = {"augment__size": 16, "augment__center_fraction": 0.8} if request.param == "varying" else {}
        experiment = on_pictures(source, **extra)
    images = experiment.open("train")
    state = save(root / "run", experiment, images)
    return root / "run", experiment, images.subset(slice(0, 11)), state


def extracted(experiment, images, state) -> dict[str, np.ndarray]:
    """As `linear_eval` does it."""
    method = experiment.method(num_classes=images.num_classes, labels=images.labels)
    recipe = geometry_only(experiment.recipe_for(images))
    extract = make_extract(method.features, recipe, make_mesh(), batch_size=8)
    images = images.in_memory()
    return extract(state.params, state.collections, images.images, extents=images.extents)


def test_features_are_those_of_the_linear_evaluation(saved):
    run, experiment, images, state = saved
    expected = extracted(experiment, images, state)
    encoder, data = contrastive_jax.load_encoder(run, batch_size=8), images.in_memory()
    found = encoder.features(data.images, data.extents)
    assert encoder.exits == ("block1", "final") == tuple(found)
    for exit, features in found.items():
        assert features.dtype == np.float32 and features.shape == (11, encoder.dims[exit])
        assert np.std(features, axis=0).max() > 1e-3, "features that are all alike prove nothing"
        np.testing.assert_allclose(features, expected[exit], rtol=1e-5, atol=1e-5)
    for exit in encoder.exits:
        chosen = contrastive_jax.load_encoder(run, exit=exit)
        for n in (1, 3, 11):  # one program each
            extents = None if data.extents is None else data.extents[:n]
            np.testing.assert_allclose(
                chosen.embed(data.images[:n], extents), expected[exit][:n], rtol=1e-5, atol=1e-5
            )
    streamed = np.concatenate(list(encoder.stream(images)))
    np.testing.assert_allclose(streamed, expected["final"], rtol=1e-5, atol=1e-5)


def test_pure_functions_under_jit_vmap_and_grad(saved):
    run, _, images, _ = saved
    encoder, data = contrastive_jax.load_encoder(run), images.in_memory()
    pixels = jnp.asarray(data.images[:6])
    extents = None if data.extents is None else jnp.asarray(data.extents[:6])
    expected = encoder.embed(np.asarray(pixels), extents)
    found = jax.jit(encoder.apply)(encoder.params, pixels, extents)["final"]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    pairs = jax.tree.map(lambda x: x.reshape(3, 2, *x.shape[1:]), (pixels, extents))
    mapped = jax.vmap(encoder.apply, (None, 0, 0))(encoder.params, *pairs)["final"]
    np.testing.assert_allclose(mapped.reshape(6, -1), expected, rtol=1e-5, atol=1e-5)

    def total(params, views):
        return jnp.sum(encoder.forward(params, views)["final"])

    views = encoder.preprocess(pixels, extents)
    by_params, by_views = jax.jit(jax.grad(total, (0, 1)))(encoder.params, views)
    assert by_views.shape == views.shape and jnp.any(by_views != 0)
    assert jax.tree.structure(by_params) == jax.tree.structure(encoder.params)
    assert any(bool(jnp.any(leaf != 0)) for leaf in jax.tree.leaves(by_params))


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A run on gray digits with checkpoints of two steps."""
    run = tmp_path_factory.mktemp("digits") / "run"
    experiment = plain("selfcon_s")
    save(run, experiment, experiment.open("train"), steps=(3, 5))
    return run


def test_training_data_is_not_read(tmp_path, monkeypatch):
    experiment = on_pictures(folder(tmp_path / "pictures", [(8, 8)]))
    save(tmp_path / "run", experiment, experiment.open("train"))
    os.rename(tmp_path / "pictures", tmp_path / "gone")
    assert contrastive_jax.load_encoder(tmp_path / "run").image_shape == (8, 8, 3)


def test_the_step_is_chosen_and_the_newest_by_default(digits):
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 1), np.uint8)
    newest, three, five = (contrastive_jax.load_encoder(digits, step=step) for step in (None, 3, 5))
    assert (newest.step, three.step) == (5, 3)
    np.testing.assert_array_equal(newest.embed(images), five.embed(images))
    assert not np.allclose(newest.embed(images), three.embed(images), rtol=1e-3)


def test_pictures_of_another_size_are_resized_to_what_the_network_was_trained_on(digits):
    encoder = contrastive_jax.load_encoder(digits)
    small = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 1), np.uint8)
    large = small.repeat(4, axis=1).repeat(4, axis=2)
    assert encoder.preprocess(jnp.asarray(large)).shape == (4, 8, 8, 1)
    assert encoder.embed(large).shape == encoder.embed(small).shape
    alike = np.corrcoef(
        encoder.preprocess(jnp.asarray(large)).ravel(), encoder.preprocess(jnp.asarray(small)).ravel()
    )
    assert alike[0, 1] > 0.95


def test_no_images_no_vectors(digits):
    assert contrastive_jax.load_encoder(digits).embed(np.zeros((0, 8, 8, 1), np.uint8)).shape == (0, 12)


@pytest.mark.parametrize("name", ["cross_entropy", "mcl_sharded", "mcl_bank", "byol"])
def test_methods_with_classifiers_cohorts_memories_and_teachers(tmp_path, name):
    experiment = plain(name)
    images = experiment.open("train")
    state = save(tmp_path / "run", experiment, images)
    few = images.subset(slice(0, 5))
    expected = extracted(experiment, few, state)
    found = contrastive_jax.load_encoder(tmp_path / "run").features(few.images)
    assert found.keys() == expected.keys()
    for exit, features in found.items():
        np.testing.assert_allclose(features, expected[exit], rtol=1e-5, atol=1e-5)


def test_the_teacher_is_another_encoder(tmp_path):
    experiment = plain("moco", subnetworks=())
    images = experiment.open("train")
    state = save(tmp_path / "run", experiment, images)
    moved = state.method_state._replace(
        teacher=jax.tree.map(lambda leaf: leaf + 0.25, state.method_state.teacher)
    )
    checkpoints = Checkpoints(tmp_path / "run" / "checkpoints")
    checkpoints.save(state._replace(step=jnp.asarray(1, jnp.int32), method_state=moved))
    checkpoints.close()
    student, teacher = (
        contrastive_jax.load_encoder(tmp_path / "run", judged=judged) for judged in ("student", "teacher")
    )
    pixels = images.images[:4]
    method = experiment.method(num_classes=10, labels=images.labels)
    params, collections = method.of_teacher(state.params, state.collections, moved)
    expected = extracted(
        experiment, images.subset(slice(0, 4)), state._replace(params=params, collections=collections)
    )
    np.testing.assert_allclose(teacher.embed(pixels), expected["final"], rtol=1e-5, atol=1e-5)
    assert not np.allclose(student.embed(pixels), teacher.embed(pixels), rtol=1e-2)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"exit": "blok1"}, "has no exit 'blok1': did you mean 'block1'?"),
        ({"step": 4}, "holds no checkpoint of step 4."),
        ({"judged": "teachers"}, "judged is 'teachers': did you mean 'teacher'?"),
        ({"judged": "teacher"}, "has no teacher to judge"),
        ({"batch_size": 0}, "batch_size is 0; it must be at least 1."),
    ],
)
def test_what_cannot_be_loaded_is_refused(digits, arguments, words):
    with pytest.raises(InputError) as refused:
        contrastive_jax.load_encoder(digits, **arguments)
    assert words in str(refused.value)


def test_what_is_not_a_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="is not a run"):
        contrastive_jax.load_encoder(tmp_path)


def test_a_run_without_a_checkpoint_is_refused(tmp_path):
    experiment = plain("selfcon_s")
    save(tmp_path / "run", experiment, experiment.open("train"), steps=())
    with pytest.raises(InputError, match="run/checkpoints holds no checkpoint."):
        contrastive_jax.load_encoder(tmp_path / "run")
    (tmp_path / "run" / "checkpoints").rmdir()
    with pytest.raises(InputError, match="run/checkpoints holds no checkpoint."):
        contrastive_jax.load_encoder(tmp_path / "run")


def test_a_run_that_does_not_record_its_images_says_how_to_add_that(tmp_path):
    experiment = plain("selfcon_s")
    save(tmp_path / "run", experiment, experiment.open("train"))
    (tmp_path / "run" / "resolved.json").write_text('{"steps_at_once": 10}')
    with pytest.raises(InputError, match="start its pretrain command again where its images are"):
        contrastive_jax.load_encoder(tmp_path / "run")


def test_a_checkpoint_of_other_networks_is_refused(tmp_path):
    experiment = plain("selfcon_s")
    save(tmp_path / "run", experiment, experiment.open("train"))
    file = tmp_path / "run" / "config.json"
    config = json.loads(file.read_text())
    config["head"]["dim"] = 16
    file.write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"head_.*is not in the checkpoint with shape \("):
        contrastive_jax.load_encoder(tmp_path / "run")


@pytest.mark.parametrize(
    "images, words",
    [
        (np.zeros((2, 8, 8, 1), np.float32), "images are float32: give uint8 pixels"),
        (np.zeros((8, 8, 1), np.uint8), "give [n, height, width, channel]; of one image, image[None]"),
        (np.zeros((2, 8, 8, 3), np.uint8), "images have 3 channels, and this encoder was trained on 1"),
    ],
)
def test_images_that_are_none_are_refused(digits, images, words):
    with pytest.raises(InputError) as refused:
        contrastive_jax.load_encoder(digits).embed(images)
    assert words in str(refused.value)
