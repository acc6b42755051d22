"""The linear evaluation command: it needs a run, and would notice a changed encoder."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from commandline import error
from tiny import trial

from contrastive_jax.augment import Recipe, geometry_only
from contrastive_jax.evaluate.features import fingerprint, make_extract

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


def test_classifier_is_trained_on_geometry_alone():
    recipe = geometry_only(RECIPE)
    assert recipe.jitter_probability == recipe.gray_probability == 0
    assert (recipe.crop_scale, recipe.flip) == (RECIPE.crop_scale, RECIPE.flip)
