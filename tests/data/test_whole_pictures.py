"""Crops are drawn from the whole picture: from its bytes to the views, beside torchvision's definitions."""

import io
import math
import zlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from contrastive_jax.augment import (
    Recipe,
    add_views,
    canvas_side,
    geometry,
    make_views,
    on_canvas,
    plain,
    views,
)
from contrastive_jax.data import pictures, sources
from contrastive_jax.data.batches import global_batch
from contrastive_jax.data.dataset import Dataset
from contrastive_jax.data.encoded import EncodedImages
from contrastive_jax.data.resident import resident, take
from contrastive_jax.errors import InputError
from contrastive_jax.evaluate.features import seen_pixels
from contrastive_jax.parallel.mesh import batch_sharding, make_mesh

UNIT = {"mean": (0.0,), "std": (1.0,)}
CROP = Recipe(size=32, crop_scale=(0.08, 1.0), flip=0.0, jitter_probability=0.0, gray_probability=0.0, **UNIT)
SIZES = [(375, 500), (500, 333), (96, 120), (60, 400), (200, 200)]
"""Height and width of the pictures in `photographs`: wide, tall, small, beyond the crops' aspect ratios, square."""
SIDE = 128

views_of = jax.jit(make_views, static_argnums=(0, 3))
plain_of = jax.jit(plain, static_argnums=0)


def photograph(height, width, seed=0):
    """Smooth, with a different color everywhere and no value below 60."""
    y, x = np.mgrid[0:height, 0:width]
    waves = np.sin(x / width * 9 + seed) * np.cos(y / height * 7)
    levels = np.stack([y / height, x / width, 0.5 + 0.5 * waves], axis=-1)
    return (60 + 195 * levels).astype(np.uint8)


def encoded(image, kind="png", **options):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    for number, (height, width) in enumerate(SIZES):
        (folder / f"{number}.png").write_bytes(encoded(photograph(height, width, number)))
    images = sources.open_split(f"folder:{folder}", "train", image_size=SIDE)
    return images.subset(np.argsort([images.records.where(int(at)) for at in images.positions]))


class TestDecoding:
    @pytest.mark.parametrize("kind", ["png", "jpeg"])
    def test_the_longest_side_is_bounded_and_nothing_is_cut(self, kind):
        image = photograph(375, 500)
        found = pictures.decode_within(encoded(image, kind), 448, 3)
        assert found.shape == (336, 448, 3)
        expected = np.asarray(Image.fromarray(image).resize((448, 336), Image.Resampling.BILINEAR))
        assert np.abs(found.astype(int) - expected).mean() < (0.1 if kind == "png" else 2)

    def test_small_pictures_keep_every_pixel(self):
        image = photograph(96, 120)
        np.testing.assert_array_equal(pictures.decode_within(encoded(image), 128, 3), image)

    def test_a_large_jpeg_is_decoded_at_a_fraction_of_its_size(self, monkeypatch):
        pytest.importorskip("simplejpeg")
        asked = []
        whole = pictures.simplejpeg.decode_jpeg
        monkeypatch.setattr(
            pictures.simplejpeg,
            "decode_jpeg",
            lambda *given, **more: asked.append(more["min_factor"]) or whole(*given, **more),
        )
        data = encoded(photograph(900, 1200), "jpeg", quality=95)
        fast = pictures.decode_within(data, 300, 3)
        assert asked == [4] and fast.shape == (225, 300, 3)
        np.testing.assert_array_equal(fast, pictures._any_picture(data, lambda h, w: (225, 300), 3, ""))

    @pytest.mark.parametrize("kind", ["png", "jpeg"])
    def test_exif_orientation(self, kind):
        exif = Image.Exif()
        exif[0x0112] = 6  # to be shown rotated by 90 degrees
        found = pictures.decode_within(encoded(photograph(100, 200), kind, exif=exif), 50, 3)
        assert found.shape == (50, 25, 3)

    def test_extreme_shapes_and_gray(self):
        assert pictures.decode_within(encoded(photograph(2, 900)), 100, 3).shape == (1, 100, 3)
        assert pictures.decode_within(encoded(photograph(50, 1)[..., 0], "jpeg"), 20, 1).shape == (20, 1, 1)


class TestCarrying:
    def test_each_picture_is_in_a_corner_of_a_black_canvas_with_its_size(self, photographs):
        batch = photographs.gather(np.arange(len(SIZES)))
        expected = [(96, 128), (128, 85), (96, 120), (19, 128), (128, 128)]
        assert photographs.varies and photographs.image_shape == (SIDE, SIDE, 3)
        assert batch["extent"].dtype == np.int32 and [tuple(e) for e in batch["extent"]] == expected
        for image, (height, width) in zip(batch["image"], expected):
            assert image[:height, :width].min() >= 55
            assert not image[height:].any() and not image[:, width:].any()

    def test_in_memory_it_is_the_same(self, photographs):
        memory, rows = photographs.in_memory(), np.array([3, 3, 0])
        for held in (memory, memory.subset(np.arange(4))):
            for name, value in photographs.gather(rows).items():
                np.testing.assert_array_equal(held.gather(rows)[name], value)

    @pytest.mark.parametrize("devices", [1, 8])
    def test_resident_batches_are_those_of_the_host(self, photographs, devices):
        mesh, rows = make_mesh(jax.devices()[:devices]), np.array([4, 1, 0, 2, 3, 1, 1, 0])
        with jax.set_mesh(mesh):
            data = resident(photographs.in_memory(), mesh)
            found = jax.jit(lambda data, rows: take(data, rows, mesh))(data, rows)
        expected = global_batch(photographs, rows, batch_sharding(mesh))
        assert found.keys() == expected.keys() == {"image", "label", "index", "extent"}
        for name, array in expected.items():
            np.testing.assert_array_equal(found[name], array)
            assert found[name].sharding.is_equivalent_to(array.sharding, array.ndim)

    def test_pictures_of_one_small_size_carry_nothing(self, tmp_path):
        for name in "ab":
            (tmp_path / f"{name}.png").write_bytes(encoded(photograph(32, 32)))
        images = sources.open_split(f"folder:{tmp_path}", "train", canvas=64)
        assert not images.varies and images.image_shape == (32, 32, 3)
        for held in (images, images.in_memory(), sources.open_split("digits", "test")):
            assert held.gather(np.arange(2)).keys() == {"image", "label", "index"}

    def test_wrong_extents_are_refused(self):
        images, labels = np.zeros((2, 4, 4, 3), np.uint8), np.zeros(2, np.int32)
        for extents, words in (
            (np.array([[4, 5], [1, 1]], np.int32), "not inside its images"),
            (np.array([[0, 4], [1, 1]], np.int32), "not inside its images"),
            (np.ones((2, 2)), "expected int32 of shape"),
        ):
            with pytest.raises(InputError, match=words):
                Dataset(images, labels, 1, "wrong", extents)


class TestCanvas:
    def test_the_smallest_crops_choose_its_side(self):
        def side(low, **fields):
            return canvas_side(Recipe(size=100, crop_scale=(low, 1.0), **fields))

        assert [side(low) for low in (0.08, 0.2, 0.25, 0.39, 0.5, 1.0)] == [200, 200, 200, 160, 150, 150]
        small = dict(extra_views=(6,), extra_sizes=(40,), extra_scales=(0.05, 0.14))
        assert side(0.5, **small) == 179  # 40 / sqrt(0.05)
        assert canvas_side(Recipe()) == 448

    def test_views_of_size_0_are_224_or_the_canvas(self):
        sizes = [
            on_canvas(recipe, side).size for recipe, side in ((Recipe(), 448), (Recipe(), 96), (CROP, 64))
        ]
        assert sizes == [224, 96, 32]


def torchvision_box(rng, height, width, scale, ratio):
    """torchvision's RandomResizedCrop.get_params: top, left, height, width."""
    for _ in range(10):
        area = height * width * rng.uniform(*scale)
        aspect = math.exp(rng.uniform(math.log(ratio[0]), math.log(ratio[1])))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            return rng.integers(0, height - h + 1), rng.integers(0, width - w + 1), h, w
    w, h = width, height
    if width / height < ratio[0]:
        h = round(width / ratio[0])
    elif width / height > ratio[1]:
        w = round(height * ratio[1])
    return (height - h) // 2, (width - w) // 2, h, w


def resized_crop_of_known_size(image, key, *, size, scale, ratio, interpolation, antialias, extent):
    """`geometry.resized_crop` in Python's own numbers."""
    height, width, _ = image.shape
    box, fits = geometry.draw_box(key, height, width, scale=scale, ratio=ratio)
    tall, wide = max(1, round(min(height, width / ratio[0]))), max(1, round(min(width, height * ratio[1])))
    centre = (float((height - tall) // 2), float((width - wide) // 2), float(tall), float(wide))
    return resized(image, [jnp.where(fits, a, b) for a, b in zip(box, centre)], size)


def centre_square_of_known_size(image, *, size, fraction, interpolation, antialias, extent):
    return resized(image, [0.0, 0.0, float(len(image)), float(len(image))], size)


def resized(image, box, size):
    height, width, _ = image.shape
    rows = geometry.resampling_matrix(geometry.triangle, box[0], box[2], height, size, True)
    columns = geometry.resampling_matrix(geometry.triangle, box[1], box[3], width, size, True)
    return jnp.clip(geometry.weigh(image, rows, columns), 0.0, 1.0)


class TestCrops:
    @pytest.mark.parametrize("number", range(len(SIZES)))
    @pytest.mark.parametrize("low", [0.08, 0.5])
    def test_boxes_are_those_of_torchvision_on_the_original(self, photographs, number, low):
        """In fractions of the picture: moments, and quantiles to within two pixels of the canvas."""
        scale, ratio, n = (low, 1.0), (3 / 4, 4 / 3), 4000
        extent = jnp.asarray(photographs.gather(np.array([number]))["extent"][0])

        def draw(key, extent):
            return geometry.random_box(key, extent[0], extent[1], scale=scale, ratio=ratio)

        keys = jax.random.split(jax.random.key(0), n)
        found = np.stack(jax.jit(jax.vmap(draw, (0, None)))(keys, extent), 1)
        rng, (height, width) = np.random.default_rng(1), SIZES[number]
        expected = np.array([torchvision_box(rng, height, width, scale, ratio) for _ in range(n)])
        assert (found[:, :2] >= 0).all() and (found[:, :2] + found[:, 2:] <= np.asarray(extent)).all()
        found = found / np.tile(extent, 2)
        expected = expected / np.tile((height, width), 2)
        pixel = np.tile(1 / np.asarray(extent), 2)
        error = 5 * expected.std(0) * (2 / n) ** 0.5
        assert (np.abs(found.mean(0) - expected.mean(0)) <= error + pixel).all()
        for quantile in (0.1, 0.25, 0.5, 0.75, 0.9):
            a, b = np.quantile(found, quantile, 0), np.quantile(expected, quantile, 0)
            assert (np.abs(a - b) <= 2 * pixel + 0.03).all(), quantile
        area = [boxes[:, 2] * boxes[:, 3] for boxes in (found, expected)]
        np.testing.assert_allclose(area[0].mean(), area[1].mean(), rtol=0.03)

    def test_views_reach_every_edge_of_the_picture(self, photographs):
        """Red is the row and green the column: the centres of the views, from the first byte to the last pixel."""
        n = 500
        batch = photographs.gather(np.array([0, 1]))
        for place, (height, width) in enumerate(SIZES[:2]):
            made = views_of(
                CROP, batch["image"][place][None], jax.random.key(3), n, extents=batch["extent"][[place]]
            )
            found = (np.asarray(made[0, ..., :2]).mean((1, 2)) * 255 - 60) / 195
            rng = np.random.default_rng(2)
            boxes = [torchvision_box(rng, height, width, (0.08, 1), (3 / 4, 4 / 3)) for _ in range(n)]
            expected = np.array([((t + h / 2) / height, (x + w / 2) / width) for t, x, h, w in boxes])
            for quantile in (0.02, 0.25, 0.5, 0.75, 0.98):
                a, b = np.quantile(found, quantile, 0), np.quantile(expected, quantile, 0)
                assert np.abs(a - b).max() < 0.06, (place, quantile)  # five standard errors of the median

    @pytest.mark.parametrize("kind", ["png", "jpeg"])
    def test_pixels_are_those_of_a_crop_of_the_original(self, kind):
        original = photograph(375, 500)
        canvas = np.zeros((SIDE, SIDE, 3), np.uint8)
        decoded = pictures.decode_within(encoded(original, kind), SIDE, 3)
        height, width = extent = decoded.shape[:2]
        canvas[:height, :width] = decoded
        made = views_of(CROP, canvas[None], jax.random.key(0), 20, extents=np.array([extent], np.int32))
        for number, view in enumerate(np.asarray(made[0])):
            key = jax.random.fold_in(jax.random.fold_in(jax.random.key(0), 0), number)
            key = jax.random.fold_in(key, zlib.crc32(b"resized_crop"))
            top, left, h, w = geometry.random_box(
                key, height, width, scale=CROP.crop_scale, ratio=CROP.crop_ratio
            )
            box = [float(x) for x in (left * 500 / width, top * 375 / height)]
            box += [float(x) for x in ((left + w) * 500 / width, (top + h) * 375 / height)]
            expected = Image.fromarray(original).resize((32, 32), Image.Resampling.BILINEAR, box=box)
            # The picture changes by 255 levels over its height: 2 levels are one and a half of its rows.
            assert np.abs(255 * view - np.asarray(expected)).mean() < 2

    def test_no_view_has_a_pixel_from_outside_the_picture(self, photographs):
        """All pictures are white and all canvases black, so any other pixel would show."""
        batch = photographs.gather(np.arange(len(SIZES)))
        for image, (height, width) in zip(batch["image"], batch["extent"]):
            image[:height, :width] = 255
        everything = Recipe(
            size=32,
            crop_scale=(0.08, 1.0),
            interpolation="bicubic",
            jitter_probability=0.0,
            rotation=30.0,
            warp_probability=1.0,
            blur_probability=(0.5,),
            extra_views=(20,),
            extra_sizes=(16,),
            extra_scales=(0.05, 0.2),
            **UNIT,
        )
        made = jax.jit(add_views, static_argnums=(0, 3))(everything, batch, jax.random.key(0), 20)
        for name in ("view", "view_16"):
            np.testing.assert_allclose(made[name], 1.0, atol=1e-3, err_msg=name)  # of the blur
        still = plain_of(
            Recipe(size=32, center_fraction=0.875, interpolation="bicubic", **UNIT),
            batch["image"],
            batch["extent"],
        )
        np.testing.assert_allclose(still, 1.0, atol=1e-5)
        without = views_of(CROP, batch["image"], jax.random.key(0), 20)
        assert np.min(without) < 0.1  # the test can fail

    def test_a_picture_that_fills_its_canvas_gives_the_same_views_without_extents(self):
        images = np.random.default_rng(0).integers(0, 256, (4, 40, 40, 3), np.uint8)
        extents = np.full((4, 2), 40, np.int32)
        key, recipe = jax.random.key(5), Recipe(size=24, **UNIT)
        np.testing.assert_allclose(
            views_of(recipe, images, key, 2), views_of(recipe, images, key, 2, extents=extents), atol=1e-5
        )
        np.testing.assert_allclose(plain_of(recipe, images), plain_of(recipe, images, extents), atol=1e-5)

    @pytest.mark.parametrize("side, size", [(32, 0), (28, 28), (64, 48)])
    def test_square_sets_keep_their_programs(self, side, size, monkeypatch):
        """Without extents, sizes are constants: the programs are those from before pictures could vary in size."""
        recipe, images = Recipe(size=size, **UNIT), jax.ShapeDtypeStruct((3, side, side, 3), np.uint8)

        def programs():
            made = jax.jit(lambda images: make_views(recipe, images, jax.random.key(0), 2))
            still = jax.jit(lambda images: plain(recipe, images))
            return made.lower(images).as_text(), still.lower(images).as_text()

        found = programs()
        monkeypatch.setattr(views, "resized_crop", resized_crop_of_known_size)
        monkeypatch.setattr(views, "evaluation_crop", centre_square_of_known_size)
        assert found == programs()

    @pytest.mark.parametrize("devices", [2, 8])
    def test_views_do_not_depend_on_the_devices(self, photographs, devices):
        rows, key = np.array([4, 1, 0, 2, 3, 1, 1, 0]), jax.random.key(1)
        mesh = make_mesh(jax.devices()[:devices])
        alone = photographs.gather(rows)
        spread = global_batch(photographs, rows, batch_sharding(mesh))
        with jax.set_mesh(mesh):
            found = views_of(CROP, spread["image"], key, 2, extents=spread["extent"])
            still = plain_of(CROP, spread["image"], spread["extent"])
        np.testing.assert_allclose(
            found, views_of(CROP, alone["image"], key, 2, extents=alone["extent"]), atol=1e-5
        )
        np.testing.assert_allclose(still, plain_of(CROP, alone["image"], alone["extent"]), atol=1e-5)
        assert len(found.sharding.device_set) == devices


class TestEvaluation:
    @pytest.mark.parametrize(
        "height, width", [(375, 500), (500, 333), (97, 120), (300, 300), (60, 400), (256, 171)]
    )
    @pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
    def test_it_is_a_resize_and_a_centre_crop(self, height, width, interpolation):
        """torchvision's Resize(64) and CenterCrop(56) by PIL, of pictures that no host has shrunk."""
        image = photograph(height, width)
        shorter, side = 64, 56
        tall, wide = shorter * height // min(height, width), shorter * width // min(height, width)
        how = getattr(Image.Resampling, interpolation.upper())
        resized = np.stack(
            [
                np.asarray(Image.fromarray(image[..., c].astype(np.float32)).resize((wide, tall), how))
                for c in range(3)
            ],
            axis=-1,
        )
        top, left = round((tall - side) / 2), round((wide - side) / 2)
        expected = np.clip(resized[top : top + side, left : left + side] / 255, 0, 1)
        recipe = Recipe(size=side, center_fraction=side / shorter, interpolation=interpolation, **UNIT)
        np.testing.assert_allclose(plain_of(recipe, image[None])[0], expected, atol=1e-5)
        canvas = np.zeros((512, 512, 3), np.uint8)
        canvas[:height, :width] = image
        found = plain_of(recipe, canvas[None], np.array([[height, width]], np.int32))[0]
        np.testing.assert_allclose(found, expected, atol=1e-4)

    @pytest.mark.parametrize("height, width", [(375, 500), (500, 333)])
    def test_a_shrunk_picture_gives_the_same_crop(self, height, width):
        image = photograph(height, width)
        small = pictures.decode_within(encoded(image), SIDE, 3)
        recipe = Recipe(size=112, center_fraction=0.875, **UNIT)
        np.testing.assert_allclose(plain_of(recipe, small[None]), plain_of(recipe, image[None]), atol=0.02)

    def test_raw_pixels_are_those_that_the_encoder_sees(self, photographs):
        memory, recipe = photographs.in_memory(), Recipe(size=20, center_fraction=0.875)
        seen = seen_pixels(recipe, memory, batch_size=2)
        unit = Recipe(size=20, center_fraction=0.875, **UNIT)
        expected = plain_of(unit, memory.images, memory.extents)
        assert seen.shape == (5, 20, 20, 3) and seen.dtype == np.uint8
        assert np.abs(seen / 255 - expected).max() <= 0.5 / 255 + 1e-6
        flat = sources.load("digits", "test")
        assert seen_pixels(recipe, flat) is flat.images


def test_composed_photographs_are_squares(tmp_path):
    for number, (height, width) in enumerate(SIZES[:2]):
        (tmp_path / f"{number}.png").write_bytes(encoded(photograph(height, width)))
    found = sources.load(f"digit_on_image:digits=digits,of=folder:{tmp_path}", "train")
    assert found.images.shape == (2, 224, 224, 3) and not found.varies
    assert found.images.min() >= 55  # no black canvas


def test_a_users_encoded_set_is_cut_to_its_shape_unless_it_varies(photographs):
    fixed = EncodedImages(
        photographs.records, photographs.positions, photographs.labels, 0, "mine", (30, 40, 3)
    )
    assert fixed.gather(np.arange(2))["image"].shape == (2, 30, 40, 3)
    assert fixed.resized(20).varies and fixed.resized(20).image_shape == (20, 20, 3)
