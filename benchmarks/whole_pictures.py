"""What it costs to crop pictures from the whole picture: beside their centre squares, which lose a quarter of it.

    python benchmarks/whole_pictures.py --images=1024 --batch=32

Generated JPEGs of 500x375 pixels reach views of 224 in three ways: the centre square decoded to 224, and the whole
picture decoded to a longest side of 336 and of 448, 1.5 and 2 times the view (recipes with crops of 8 % take 448).
Prints bytes per picture, images per second of the stream (the systems take turns, see `input.py`), and, for the random
crop and the flip compiled for this backend, views per second and temporary memory.
"""

import functools
import pathlib
import statistics
import tempfile
import time

import jax
import numpy as np
from absl import app, flags
from input import compare, cores, processor, stream
from PIL import Image

from contrastive_jax.augment import Recipe, make_views
from contrastive_jax.data import sources
from contrastive_jax.data.encoded import EncodedImages
from contrastive_jax.recipes import augmentations

_PICTURES = flags.DEFINE_integer("pictures", 256, "JPEGs that are generated.")
SIZE, VIEWS, BATCH = 224, 2, 32
RECIPE = Recipe(**augmentations.crop_flip((0.08, 1.0)), size=SIZE, mean=(0.5,), std=(0.25,))


def main(_) -> None:
    print(f"{processor()}, {cores()} cores, jax {jax.__version__}, numpy {np.__version__}\n")
    with tempfile.TemporaryDirectory() as folder:
        write(pathlib.Path(folder), _PICTURES.value)
        whole = sources.open_split(f"folder:{folder}", "train")
        assert isinstance(whole, EncodedImages) and whole.varies
        sets = {"centre, 224": whole.squares(SIZE), "whole, 336": whole.resized(336), "whole, 448": whole}
        for name, images in sets.items():
            print(f"  {name:16}{images.nbytes / len(images) / 1e3:9,.0f} kB per picture")
        batch = flags.FLAGS.batch
        compare("JPEGs of 500x375", {name: stream(images, batch) for name, images in sets.items()}, batch, 1)
        augment({name: images.gather(np.arange(BATCH)) for name, images in sets.items()})


def write(folder: pathlib.Path, count: int) -> None:
    """Pictures with structure at all scales, of about 86 kB."""
    rng = np.random.default_rng(0)
    for number in range(count):
        layers = [
            rng.integers(0, 256, (375 // scale + 1, 500 // scale + 1, 3), np.uint8) for scale in (60, 12, 2)
        ]
        sized = [np.asarray(Image.fromarray(layer).resize((500, 375)), np.float32) for layer in layers]
        picture = 0.6 * sized[0] + 0.25 * sized[1] + 0.15 * sized[2]
        Image.fromarray(picture.astype(np.uint8)).save(folder / f"{number}.jpg", quality=95)


def augment(batches: dict[str, dict[str, np.ndarray]], rounds: int = 7) -> None:
    """Prints views per second of a random crop and a flip, and the memory of their program."""
    programs = {}
    for name, batch in batches.items():
        images, extents = batch["image"], batch.get("extent")
        lowered = jax.jit(functools.partial(make_views, RECIPE, n_views=VIEWS)).lower(
            images, jax.random.key(0), extents=extents
        )
        program = lowered.compile()
        programs[name] = functools.partial(program, images, extents=extents), program
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for number in range(rounds + 1):
        for name, (run, _) in programs.items():
            started = time.perf_counter()
            jax.block_until_ready(run(jax.random.key(number)))
            seconds[name] += [time.perf_counter() - started] * (number > 0)
    views = BATCH * VIEWS
    print(f"crop and flip, {views} views of {SIZE} on {jax.default_backend()}, median of {rounds} rounds")
    for name, (_, program) in programs.items():
        memory = program.memory_analysis().temp_size_in_bytes / views / 1e6
        print(
            f"  {name:16}{views / statistics.median(seconds[name]):9,.0f} views/s {memory:6.2f} MB per view"
        )


if __name__ == "__main__":
    app.run(main)
