"""The feature suppression sets: what images are composed of, and that they are functions of (seed, index)."""

import numpy as np
import pytest

from contrastive_jax.data import synthetic
from contrastive_jax.data.sources import load
from contrastive_jax.errors import InputError

DIGITS = load("digits", "train")


def test_one_digit_keeps_its_label_and_its_pixels():
    made = load("multi_digits:size=8,canvas=20,of=digits", "train[:40]")
    assert made.images.shape == (40, 20, 20, 1) and made.num_classes == 10
    np.testing.assert_array_equal(made.labels, DIGITS.labels[:40])
    for image, digit in zip(made.images, DIGITS.images):
        windows = np.lib.stride_tricks.sliding_window_view(image[..., 0], (8, 8))
        assert (windows == digit[..., 0]).all((2, 3)).any() and image.sum() == digit.sum()


def test_digits_in_a_grid_do_not_overlap():
    made = load("multi_digits:count=9,size=8,canvas=24,placement=grid,of=digits", "train[:30]")
    cells = made.images.reshape(30, 3, 8, 3, 8).swapaxes(2, 3).reshape(30, 9, 64)
    known = {digit.tobytes() for digit in DIGITS.images}
    assert all(cell.tobytes() in known for image in cells for cell in image)
    firsts = [
        [cell.tobytes() for cell in image].index(DIGITS.images[i].tobytes()) for i, image in enumerate(cells)
    ]
    assert len(set(firsts)) > 5  # the labelled digit is not always in the same cell


def test_the_other_digits_have_another_size():
    made = load("multi_digits:count=2,size=8,others=16,canvas=40,of=digits", "train[:60]")
    extent = [np.ptp(np.nonzero(image.any((1, 2)))[0]) + 1 for image in made.images]
    assert max(extent) > 20  # two digits, one of them of 16 pixels, reach further than one


def test_random_corners_reach_the_whole_canvas():
    corners = np.concatenate(
        [synthetic.random_corners(synthetic.generator(0, i), [3, 5], 8) for i in range(300)]
    ).reshape(300, 2, 2)
    assert corners.min() == 0
    np.testing.assert_array_equal(corners.max((0, 2)), [5, 3])


def test_an_image_depends_only_on_seed_and_index():
    location = "multi_digits:count=3,size=8,canvas=20,seed={},of=digits"
    some = load(location.format(1), "train[5:9]").images
    np.testing.assert_array_equal(some, load(location.format(1), "train[:20]").images[5:9])
    assert (some != load(location.format(2), "train[5:9]").images).any()


def test_digits_over_images():
    location = "digit_on_image:unique={},digits=digits,of=fashion_mnist_10k,size=3,label={}"
    base = load("fashion_mnist_10k", "train[:50]")
    made = load(location.format(1, "image"), "train[:50]")
    np.testing.assert_array_equal(made.labels, base.labels)
    assert (made.images >= base.images).all() and (made.images != base.images).any()
    spots = {
        image[int(28 * 0.75) :, int(28 * 0.75) :][:3, :3].tobytes() for image in made.images - base.images
    }
    marks = load(location.format(0, "digit"), "train[:50]")
    assert len(np.unique(marks.labels)) > 5 and len(spots) > 1  # a maximum, not a sum
    one = load(location.format(1, "digit"), "train[:50]")
    assert (one.labels == DIGITS.labels[0]).all()
    assert len(np.unique(load(location.format(1, "digit"), "test[:50]").labels)) > 5  # tests use all digits
    with pytest.raises(InputError, match="does not fit.*at most 7"):
        load("digit_on_image:digits=digits,of=fashion_mnist_10k,size=8", "train[:2]")


def test_binary_channels():
    made = load("binary_channels:bits=5,size=4,train=3000", "train")
    assert made.images.shape == (3000, 4, 4, 5) and made.num_classes == 32
    assert (made.images == made.images[:, :1, :1]).all() and set(np.unique(made.images)) == {0, 255}
    np.testing.assert_array_equal((made.images[:, 0, 0] // 255) @ (1 << np.arange(5)), made.labels)
    assert np.bincount(made.labels).min() > 50  # 94 expected
    part = load("binary_channels:bits=5,size=4,train=3000", "train[10:20]")
    np.testing.assert_array_equal(part.images, made.images[10:20])
    assert made.subset(slice(0, 7)).images.shape[0] == 7
    test = load("binary_channels:bits=5,size=4,test=3000", "test")
    assert (test.labels != made.labels).any()


@pytest.mark.parametrize(
    "location,sentence",
    [
        ("multi_digits:count=4", "of=fashion_mnist_10k"),
        ("multi_digits:cuont=4,of=digits", "did you mean 'count'"),
        ("multi_digits:count=x,of=digits", "is not an integer"),
        ("multi_digits:digits", "name=value"),
        ("multi_digits:placement=gird,of=digits", "did you mean 'grid'"),
        ("multi_digits:count=5,size=28,canvas=56,placement=grid,of=digits", "has 4 cells"),
        ("multi_digits:size=60,canvas=40,of=digits", "does not fit onto a canvas of 40"),
        (
            "digit_on_image:label=both,digits=digits,of=digits",
            "label=both does not exist; valid: digit, image",
        ),
        ("binary_channels:bits=99", "from 1 to 24"),
    ],
)
def test_bad_locations(location, sentence):
    with pytest.raises(InputError, match=sentence):
        load(location, "train")
