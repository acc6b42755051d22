"""Pictures in folders: every layout, unusual pictures, and the errors for what cannot be used."""

import io
import pathlib

import numpy as np
import pytest
from PIL import Image

from contrastive_jax.data import pictures, sources
from contrastive_jax.data.encoded import EncodedImages
from contrastive_jax.data.pictures import CorruptImage
from contrastive_jax.errors import InputError

TINY_IMAGENET = pathlib.Path(__file__).parents[3] / "shared" / "data" / "tiny_imagenet_10x100.zip"


def write(path, color=(200, 10, 10), size=(12, 10), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path, **options)


def smooth(height=40, width=60):
    """A picture without sharp edges, which survives JPEG and resizing."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([255 * y / height, 255 * x / width, 128 + 0 * x], axis=-1).astype(np.uint8)


def encoded(array, kind="png", **options):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind, **options)
    return buffer.getvalue()


def by_red(images):
    """The red value of every picture's first pixel, by which the tests identify it."""
    return images.images[:, 0, 0, 0].tolist()


class TestLayouts:
    def test_a_class_per_folder(self, tmp_path):
        for label, name in enumerate(("ant", "Bee", "célèbre")):  # upper case sorts first
            for i in range(3):
                write(tmp_path / name / "deeper" / f"bild {i} ä.png", (label * 10 + i, 0, 0))
        write(tmp_path / ".hidden" / "x.png")
        (tmp_path / "ant" / "notes.txt").write_text("not a picture")
        (tmp_path / "empty").mkdir()
        got = sources.load(f"folder:{tmp_path}", "train")
        assert (got.images.shape, got.num_classes) == ((9, 10, 12, 3), 3)
        assert {red: label for red, label in zip(by_red(got), got.labels.tolist())} == {
            0: 1, 1: 1, 2: 1, 10: 0, 11: 0, 12: 0, 20: 2, 21: 2, 22: 2,
        }  # fmt: skip

    def test_a_range_is_a_fair_sample_and_ranges_partition_the_split(self, tmp_path):
        for label in range(2):
            for i in range(20):
                write(tmp_path / str(label) / f"{i}.png", (20 * label + i, 0, 0))
        low, high = (sources.load(f"folder:{tmp_path}", f"train{part}") for part in ("[:50%]", "[50%:]"))
        assert sorted(by_red(low) + by_red(high)) == list(range(40))
        assert set(low.labels) == {0, 1}
        assert by_red(low) == by_red(sources.load("folder", "train[:50%]", data_dir=str(tmp_path)))

    def test_train_and_val_folders_number_classes_alike(self, tmp_path):
        for name, red in (("a", 1), ("b", 2), ("c", 3)):
            write(tmp_path / "Train" / name / "1.png", (red, 0, 0))
        write(tmp_path / "valid" / "c" / "1.png", (9, 0, 0))
        for split in ("val", "test", "validation"):
            got = sources.load(f"folder:{tmp_path}", split)
            assert (by_red(got), got.labels.tolist(), got.num_classes) == ([9], [2], 3)

    def test_a_class_called_train(self, tmp_path):
        for name in ("boat", "train", "plane"):
            write(tmp_path / name / "1.png")
        got = sources.open_split(f"folder:{tmp_path}", "train")
        assert (len(got), got.num_classes) == (3, 3)

    @pytest.mark.parametrize("inside", ["", "all"])
    def test_unlabelled(self, tmp_path, inside):
        for i in range(4):
            write(tmp_path / inside / f"{i}.png", (i, 0, 0))
        got = sources.load(f"folder:{tmp_path}", "train")
        assert sorted(by_red(got)) == [0, 1, 2, 3]
        assert (got.labels.tolist(), got.num_classes, got.labelled) == ([-1] * 4, 0, False)

    def test_tiny_imagenet(self, tmp_path):
        for label, wnid in enumerate(("n01", "n02")):
            for i in range(2):
                write(tmp_path / "train" / wnid / "images" / f"{wnid}_{i}.JPEG", (100 * label, 0, 0))
            (tmp_path / "train" / wnid / f"{wnid}_boxes.txt").write_text("n01_0.JPEG\t0\t0\t9\t9\n")
        for i in range(3):
            write(tmp_path / "val" / "images" / f"val_{i}.JPEG", (80 * i, 0, 0))
            write(tmp_path / "test" / "images" / f"test_{i}.JPEG")
        lines = [f"val_{i}.JPEG\t{wnid}\t0\t32\t44\t62" for i, wnid in enumerate(("n02", "n01", "n02"))]
        (tmp_path / "val" / "val_annotations.txt").write_text("\n".join(lines) + "\n")
        train, test = (sources.load(f"folder:{tmp_path}", split) for split in ("train", "test"))
        assert sorted(train.labels.tolist()) == [0, 0, 1, 1]
        found = {round(red / 80): label for red, label in zip(by_red(test), test.labels.tolist())}
        assert found == {0: 1, 1: 0, 2: 1}  # the labelled val, since test has no labels

    @pytest.mark.parametrize(
        ("file", "line"),
        [
            ("val/labels.txt", "{name} {number}"),
            ("val_map.txt", "val/{name} {number}"),
            ("LOC_val_solution.csv", "{stem},{wnid} 1 2 3 4 {wnid} 5 6 7 8"),
            ("imagenet_2012_validation_labels.txt", "{wnid}"),
        ],
    )
    def test_imagenet_with_a_flat_val(self, tmp_path, file, line):
        wnids = ["n01", "n02", "n03"]
        for wnid in wnids:
            write(tmp_path / "train" / wnid / f"{wnid}_1.JPEG")
        truth = [2, 0, 1, 1]
        lines = ["ImageId,PredictionString"] if file.endswith(".csv") else []
        for i, label in enumerate(truth):
            stem = f"ILSVRC2012_val_{i:08d}"
            write(tmp_path / "val" / f"{stem}.JPEG", (50 * i, 0, 0))
            lines.append(line.format(name=f"{stem}.JPEG", stem=stem, wnid=wnids[label], number=label))
        (tmp_path / file).write_text("\n".join(lines))
        got = sources.load(f"folder:{tmp_path}", "test")
        order = [round(red / 50) for red in by_red(got)]
        assert got.labels.tolist() == [truth[i] for i in order] and sorted(order) == [0, 1, 2, 3]

    def test_a_sample_of_the_real_tiny_imagenet(self, tmp_path):
        if not TINY_IMAGENET.exists():
            pytest.skip("the sample of Tiny-ImageNet is not available")
        import zipfile

        zipfile.ZipFile(TINY_IMAGENET).extractall(tmp_path)
        (root,) = tmp_path.iterdir()
        train, val = (sources.open_split(f"folder:{root}", split) for split in ("train", "test"))
        assert (len(train), len(val), train.num_classes, train.image_shape) == (1000, 500, 10, (64, 64, 3))
        np.testing.assert_array_equal(np.bincount(train.labels), 100)
        wnids = sorted(path.name for path in (root / "train").iterdir())
        truth = dict(
            line.split("\t")[:2] for line in (root / "val/val_annotations.txt").read_text().splitlines()
        )
        for row in range(0, 500, 7):
            name = pathlib.Path(val.records.where(int(val.positions[row]))).name
            assert wnids[val.labels[row]] == truth[name]


class TestRefusals:
    @pytest.mark.parametrize(
        ("files", "split", "sentence"),
        [
            ([], "train", "there are no pictures in"),
            (["a/1.png", "2.png"], "train", "both beside and inside its sub-folders .2.png, a/."),
            (["a/1.png", "b/2.png"], "test", "no split 'test'"),
            (["test/a/1.png", "val/a/1.png"], "train", "none called train"),
            (
                ["train/a/1.png", "train/b/1.png", "val/a/1.png", "val/q/1.png"],
                "val",
                "class 'q' that the training",
            ),
        ],
    )
    def test_folders(self, tmp_path, files, split, sentence):
        for file in files:
            write(tmp_path / file)
        with pytest.raises(InputError, match=sentence):
            sources.open_split(f"folder:{tmp_path}", split)

    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            ("v0.png\ta\nv1.png\tz\n", "names a class 'z' that the training pictures do not have"),
            ("v0.png\ta\n", "no label for 1 of the 2 pictures, .*v1.png"),
            (
                "v0.png 0\nv1.png 2\n",
                "class number 2, but the 2 classes, sorted by name, are numbered from 0",
            ),
            ("490\n361\n", "development kit numbers the classes in a different order"),
        ],
    )
    def test_label_files(self, tmp_path, content, sentence):
        for file in ("train/a/1.png", "train/b/1.png", "val/v0.png", "val/v1.png"):
            write(tmp_path / file)
        (tmp_path / "val" / "labels.txt").write_text(content)
        with pytest.raises(InputError, match=sentence):
            sources.open_split(f"folder:{tmp_path}", "val")

    def test_no_folder_is_not_the_current_one(self, tmp_path, monkeypatch):
        write(tmp_path / "a" / "1.png")
        monkeypatch.chdir(tmp_path)
        with pytest.raises(InputError, match="say which folder"):
            sources.open_split("folder:", "train")
        assert sources.open_split("folder:", "train", str(tmp_path)).name == "folder:"

    def test_missing_and_packed(self, tmp_path):
        with pytest.raises(InputError, match="there is no folder"):
            sources.open_split(f"folder:{tmp_path}/none", "train")
        (tmp_path / "a.zip").touch()
        with pytest.raises(InputError, match="is a file; unpack it"):
            sources.open_split(f"folder:{tmp_path}/a.zip", "train")

    def test_corrupt_pictures_are_counted_and_named(self, tmp_path):
        for i in range(6):
            write(tmp_path / f"{i}.jpg")
        whole = (tmp_path / "1.jpg").read_bytes()
        (tmp_path / "1.jpg").write_bytes(whole[: len(whole) // 2])
        (tmp_path / "4.jpg").write_text("hello")
        with pytest.raises(
            CorruptImage, match="2 pictures of .* are corrupt: .*1.jpg.*4.jpg.*--skip_corrupt"
        ):
            sources.load(f"folder:{tmp_path}", "train")
        (tmp_path / "1.jpg").unlink()
        with pytest.raises(
            CorruptImage, match="1 pictures of .*4.jpg cannot be decoded .unknown picture format"
        ):
            sources.load(f"folder:{tmp_path}", "train")


class TestSize:
    def test_pictures_that_vary_in_size_keep_their_shape_within_448_or_the_chosen_size(self, tmp_path):
        write(tmp_path / "1.png", size=(600, 400))
        write(tmp_path / "2.png", size=(200, 300))
        for chosen, sides in (
            ({}, {(299, 448), (300, 200)}),
            ({"canvas": 300}, {(200, 300), (300, 200)}),
            ({"image_size": 30, "canvas": 300}, {(20, 30), (30, 20)}),
        ):
            found = sources.load(f"folder:{tmp_path}", "train", **chosen)
            longest = max(max(pair) for pair in sides)
            assert found.images.shape == (2, longest, longest, 3)
            assert found.extents is not None and set(map(tuple, found.extents.tolist())) == sides

    def test_large_pictures_of_one_size_keep_their_shape_within_448(self, tmp_path):
        write(tmp_path / "1.png", size=(400, 300))
        images = sources.open_split(f"folder:{tmp_path}", "train")
        assert images.varies and images.image_shape == (448, 448, 3)

    def test_small_squares_of_one_size_are_resized_on_demand(self, tmp_path):
        write(tmp_path / "1.png", size=(40, 40))
        images = sources.open_split(f"folder:{tmp_path}", "train", image_size=16)
        assert not images.varies and images.image_shape == (16, 16, 3)

    def test_val_is_decoded_to_the_size_of_train(self, tmp_path):
        for name in ("a", "b"):
            write(tmp_path / "train" / name / "1.png", size=(20, 20))
            write(tmp_path / "val" / name / "1.png", size=(50, 40))
        assert sources.open_split(f"folder:{tmp_path}", "val").image_shape == (20, 20, 3)

    def test_arrays_are_not_resized(self):
        assert sources.load("digits", "test", image_size=8).images.shape[1:3] == (8, 8)
        with pytest.raises(InputError, match="arrays of 8x8 and cannot be decoded to 16"):
            sources.load("digits", "test", image_size=16)
        with pytest.raises(InputError, match="image_size is -1"):
            sources.load("digits", "test", image_size=-1)


class TestPictures:
    def test_a_gradient_survives_every_decoder_and_size(self):
        """Resize of the shorter side and centre crop, from JPEG and PNG of three sizes."""
        for factor in (1, 2, 5):
            picture = smooth(40 * factor, 60 * factor)
            expected = smooth(40, 60)[:, 10:50].astype(int)
            for data in (encoded(picture), encoded(picture, "jpeg", quality=95)):
                found = pictures.decode(data, (40, 40, 3)).astype(int)
                assert np.abs(found - expected).mean() < 3, factor

    @pytest.mark.parametrize("size", [(40, 60), (61, 93), (333, 250)])
    @pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
    def test_pillow_and_simplejpeg_give_the_same_pixels(self, size, options):
        pytest.importorskip("simplejpeg")
        rng = np.random.default_rng(0)
        noisy = np.clip(smooth(*size) + rng.normal(0, 20, (*size, 3)), 0, 255).astype(np.uint8)
        data, gray = encoded(noisy, "jpeg", **options), encoded(noisy[..., 0], "jpeg")
        for side in (9, 20, 32, 61):
            square = lambda height, width: (side, side)  # noqa: B023, E731
            fast = pictures._ordinary_jpeg(data, square, 3)
            assert fast is not None
            np.testing.assert_array_equal(fast, pictures._any_picture(data, square, 3, ""))
            for channels in (1, 3):
                fast = pictures._ordinary_jpeg(gray, square, channels)
                np.testing.assert_array_equal(fast, pictures._any_picture(gray, square, channels, ""))

    def test_cmyk(self):
        data = io.BytesIO()
        Image.fromarray(smooth()).convert("CMYK").save(data, "jpeg", quality=95)
        found = pictures.decode(data.getvalue(), (40, 60, 3)).astype(int)
        assert np.abs(found - smooth()).mean() < 4

    def test_16_bit_gray_is_scaled_not_clipped(self):
        values = np.linspace(0, 65535, 30).astype(np.uint16).reshape(5, 6)
        found = pictures.decode(encoded(values), (5, 6, 1))
        np.testing.assert_array_equal(found[..., 0], values >> 8)
        assert pictures.decode(encoded(values), (5, 6, 3)).shape == (5, 6, 3)

    def test_palette_gray_and_alpha(self):
        rgb = smooth()
        palette = io.BytesIO()
        Image.fromarray(rgb).quantize(64).save(palette, "png")
        assert np.abs(pictures.decode(palette.getvalue(), (40, 60, 3)).astype(int) - rgb).mean() < 12
        gray = pictures.decode(encoded(rgb[..., 0]), (40, 60, 3))
        np.testing.assert_array_equal(gray, np.repeat(rgb[..., :1], 3, axis=-1))
        see_through = np.concatenate([rgb, np.full((40, 60, 1), 0, np.uint8)], axis=-1)
        assert np.all(pictures.decode(encoded(see_through), (40, 60, 3)) == 255)

    def test_the_first_frame_of_an_animation(self):
        frames = [Image.new("RGB", (8, 8), color) for color in ((255, 0, 0), (0, 255, 0))]
        data = io.BytesIO()
        frames[0].save(data, "gif", save_all=True, append_images=frames[1:])
        assert pictures.decode(data.getvalue(), (8, 8, 3))[0, 0].tolist() == [255, 0, 0]

    @pytest.mark.parametrize("kind", ["jpeg", "png"])
    def test_exif_orientation(self, kind):
        exif = Image.Exif()
        exif[0x0112] = 6  # to be shown rotated by 90 degrees
        data = encoded(smooth(), kind, exif=exif)
        assert pictures.natural_size(data) == (60, 40)
        expected = np.rot90(smooth(), -1).astype(int)
        assert np.abs(pictures.decode(data, (60, 40, 3)).astype(int) - expected).mean() < 3

    def test_pixels_without_a_range(self):
        with pytest.raises(CorruptImage, match="x.tif cannot be decoded .its F pixels have no defined range"):
            pictures.decode(encoded(np.zeros((4, 4), np.float32), "tiff"), (4, 4, 3), "x.tif")

    def test_faithful_keeps_ordinary_pictures_and_converts_others_to_png(self):
        data = encoded(smooth(), "jpeg")
        assert pictures.faithful(data, 3) is data
        exif = Image.Exif()
        exif[0x0112] = 3
        for odd in (encoded(smooth(), "gif"), encoded(smooth(), "jpeg", exif=exif), encoded(smooth(), "bmp")):
            made = pictures.faithful(odd, 3)
            assert made[1:4] == b"PNG"
            np.testing.assert_array_equal(
                pictures.decode(made, (40, 60, 3)), pictures.decode(odd, (40, 60, 3))
            )


def test_an_encoded_set_equals_the_one_in_memory(tmp_path):
    for i in range(10):
        write(tmp_path / str(i % 2) / f"{i}.png", (i, 2 * i, 0))
    images = sources.open_split(f"folder:{tmp_path}", "train")
    assert isinstance(images, EncodedImages)
    memory = images.in_memory()
    rows = np.array([3, 3, 9, 0])
    for name, values in images.gather(rows).items():
        np.testing.assert_array_equal(values, memory.gather(rows)[name])
    np.testing.assert_array_equal(images.subset(rows).in_memory().images, memory.subset(rows).images)
    for name in ("image_shape", "nbytes", "num_classes", "name", "labelled", "varies"):
        assert getattr(images, name) == getattr(memory, name)
    np.testing.assert_array_equal(images.labels, memory.labels)
