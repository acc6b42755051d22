"""Stored features are used if nothing has changed, and never otherwise."""

import json

import numpy as np
import pytest

from contrastive_jax.data.dataset import Dataset
from contrastive_jax.data.sources import load
from contrastive_jax.evaluate.stored import of_images, stored

ARRAYS = {"final": np.arange(12, dtype=np.float32).reshape(4, 3), "block1": np.ones((4, 2), np.float32)}
KEY = {"step": 3, "recipe": {"mean": (0.3,)}}


class Folder:
    """Counts how often features are computed, and keeps what is said."""

    def __init__(self, path):
        self.path, self.computed, self.said = path, 0, []

    def __call__(self, key=KEY):
        return stored(self.path, key, self.compute, tell=self.said.append)

    def compute(self):
        self.computed += 1
        return ARRAYS


@pytest.fixture
def folder(tmp_path):
    folder = Folder(tmp_path / "features" / "step3")
    folder()
    return folder


def test_a_second_evaluation_reads_what_the_first_has_written(folder):
    found = folder()
    assert (folder.computed, folder.said) == (1, []) and list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)
        assert isinstance(found[name], np.memmap)
    assert [path.name for path in folder.path.parent.iterdir()] == ["step3"]


def test_another_key_is_noticed_by_name_and_replaces_the_features(folder):
    newer = {"step": 3, "recipe": {"mean": (0.4,)}}
    folder(newer)
    assert folder.computed == 2 and "recipe.mean ([0.3] there, [0.4] now)" in folder.said[0]
    folder(newer)
    assert folder.computed == 2


def flip_a_bit(folder):
    data = bytearray((folder / "final.npy").read_bytes())
    data[-3] ^= 1
    (folder / "final.npy").write_bytes(data)


def shorten(folder):
    (folder / "final.npy").write_bytes((folder / "final.npy").read_bytes()[:-8])


def exchange(folder):
    np.save(folder / "final.npy", ARRAYS["final"][::-1])


def half_a_record(folder):
    (folder / "about.json").write_text((folder / "about.json").read_text()[:40])


def another_record(folder):
    (folder / "about.json").write_text(json.dumps(["key"]))


def remove(folder):
    (folder / "block1.npy").unlink()


@pytest.mark.parametrize("damage", [flip_a_bit, shorten, exchange, half_a_record, another_record, remove])
def test_damage_is_noticed_and_repaired(folder, damage):
    damage(folder.path)
    np.testing.assert_array_equal(folder()["final"], ARRAYS["final"])
    assert folder.computed == 2 and "is damaged" in folder.said[0]
    folder()
    assert folder.computed == 2 and len(folder.said) == 1


def test_features_that_were_not_written_to_the_end_are_not_there(folder):
    (folder.path / "about.json").unlink()
    folder()
    assert folder.computed == 2


def test_images_are_identified_by_their_bits_and_order():
    images = load("digits", "test")
    changed = images.images.copy()
    changed[5, 3, 3, 0] ^= 1
    sets = [
        images,
        Dataset(changed, images.labels, 10, "digits"),
        images.subset(np.arange(len(images))[::-1]),
    ]
    assert len({json.dumps(of_images(each)) for each in sets}) == 3
    assert of_images(images) == of_images(images.subset(slice(None)))
