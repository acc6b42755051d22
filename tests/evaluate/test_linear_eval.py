"""The linear evaluation command: it needs a run, and would notice a changed encoder."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from commandline import error
from tiny import trial

from contrastive_jax.augment import Recipe, geometry_only
from contrastive_jax.errors import InputError
from contrastive_jax.evaluate.features import fingerprint, make_extract
from contrastive_jax.evaluate.protocol import Protocol
from contrastive_jax.evaluate.settings import Evaluation
from contrastive_jax.linear_eval import classifier_recipe, judged_state
from contrastive_jax.methods import Collections
from contrastive_jax.train.state import TrainState

RECIPE = Recipe(mean=(0.3,), std=(0.4,))


def test_folder_without_a_run_is_refused(tmp_path):
    config = "--config=configs/linear_eval.py"
    assert "is not a run" in error("linear_eval", config, f"--config.pretrained={tmp_path}")
    assert "config.pretrained" in error("linear_eval", config)
    assert "did you mean" in error("linear_eval", "--config=configs/linear_eval.py:selfcom")


def test_fingerprint_sees_one_bit():
    tree = {"a": jnp.zeros(3), "b": {"c": jnp.ones(2)}}
    changed = {"a": jnp.zeros(3), "b": {"c": jnp.ones(2).at[1].set(np.nextafter(1, 2, dtype=np.float32))}}
    assert fingerprint(tree) == fingerprint(jax.tree.map(jnp.copy, tree))
    assert fingerprint(tree) != fingerprint(changed)


@pytest.mark.parametrize("devices", [1, 8])
def test_features_cover_every_image_once_whatever_the_batch(devices):
    tiny = trial("selfcon_s", devices)
    state = tiny.state()
    images = np.asarray(tiny.data.images[:21])
    found = make_extract(tiny.method.features, RECIPE, tiny.mesh, batch_size=8)(
        state.params, state.collections, images
    )
    whole = make_extract(tiny.method.features, RECIPE, tiny.mesh, batch_size=24)(
        state.params, state.collections, images
    )
    for name, features in found.items():
        assert len(features) == 21
        np.testing.assert_allclose(features, whole[name], rtol=1e-4, atol=1e-5)


def test_the_protocol_chooses_the_crops():
    """A padding crop too gives way to the protocol's; without one, the crops are the pretraining's."""
    padded = dataclasses.replace(RECIPE, pad=4, crop_scale=(1.0, 1.0), crop_ratio=(1.0, 1.0))
    recipe = classifier_recipe(padded, Protocol(crop_scale=(0.08, 1.0)))
    assert (recipe.crop_scale, recipe.crop_ratio, recipe.pad) == ((0.08, 1.0), (3 / 4, 4 / 3), 0)
    assert (recipe.mean, recipe.flip, recipe.jitter_probability) == (padded.mean, padded.flip, 0.0)
    assert classifier_recipe(padded, Protocol()) == geometry_only(padded)


@pytest.mark.parametrize("name", ["moco", "supcon_queue", "mcl_moco"])
def test_the_config_says_whether_the_teacher_is_judged(name):
    method = trial(name, 1).method
    if name == "moco":  # its teacher has no sub-networks
        method = dataclasses.replace(method, encoder=method.trunk)
    params, collections, own = jax.jit(method.init)(jax.random.key(0), jnp.zeros((2, 2, 8, 8, 1)))
    moved = own._replace(teacher=plus_a_quarter(own.teacher))
    collections = collections._replace(teacher=plus_a_quarter(collections.teacher))
    state = TrainState(jnp.zeros(()), params, collections, moved, ())
    assert judged_state(method, state, Evaluation()) is state
    judged = judged_state(method, state, Evaluation(judged="teacher"))
    features, images = jax.jit(method.features), jax.random.uniform(jax.random.key(1), (4, 8, 8, 1))
    found = features(judged.params, judged.collections, images)
    expected = features(moved.teacher, Collections(collections.teacher), images)
    student = features(params, collections, images)
    assert found.keys() == student.keys()
    for exit in found:
        np.testing.assert_allclose(found[exit], expected[exit], rtol=1e-6)
        assert not np.allclose(found[exit], student[exit], atol=1e-3)


def plus_a_quarter(tree):
    return jax.tree.map(lambda leaf: leaf + 0.25, tree)


@pytest.mark.parametrize(
    "name, words",
    [("sdssl_simclr", "has no teacher to judge"), ("sdssl_byol", "none of the student's sub-networks")],
)
def test_a_teacher_that_cannot_be_judged_is_refused(name, words):
    tiny = trial(name, 1)
    with pytest.raises(InputError, match=f"{words}: choose judged=student"):
        judged_state(tiny.method, tiny.state(), Evaluation(judged="teacher"))


def test_only_student_or_teacher_is_judged():
    with pytest.raises(InputError, match="config.judged is 'teachers': did you mean 'teacher'"):
        Evaluation(judged="teachers")


def test_classifier_is_trained_on_geometry_alone():
    recipe = geometry_only(RECIPE)
    assert recipe.jitter_probability == recipe.gray_probability == 0
    assert (recipe.crop_scale, recipe.flip) == (RECIPE.crop_scale, RECIPE.flip)
