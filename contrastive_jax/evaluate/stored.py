"""Features kept on disk, so that a second evaluation of a run does not extract them again.

    features/step2496-student-fashion_mnist_10k-test/
        about.json     the key: what the arrays were computed from, and the checksum of each
        final.npy      an array per exit, read as a memory map

The arrays are used only if the key is equal and every bit is as it was written. Otherwise a line says what differs, and
they are computed again.
"""

import json
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from contrastive_jax.data.dataset import Dataset
from contrastive_jax.data.encoded import ImageSet
from contrastive_jax.train.checksums import of_host
from contrastive_jax.train.run_directory import differences, write_json

Arrays = dict[str, np.ndarray]
ABOUT = "about.json"


def stored(
    folder: pathlib.Path,
    key: Mapping[str, Any],
    compute: Callable[[], Arrays],
    *,
    tell: Callable[[str], None] = print,
) -> Arrays:
    """The arrays that `folder` holds for `key`, or those that `compute` returns, which are kept there.

    Args:
      folder: of these arrays alone.
      key: everything that the arrays depend on, as JSON can hold it.
      compute: returns the arrays by name, in an order that is kept.
      tell: is given a sentence if the folder holds something that cannot be used.
    """
    key = json.loads(json.dumps(key))
    if (folder / ABOUT).exists():
        try:
            return read(folder, key)
        except Unusable as error:
            tell(f"{folder} {error}: computing it again.")
    arrays = compute()
    write(folder, key, arrays)
    return arrays


class Unusable(Exception):
    """Why stored arrays cannot be used, to follow the folder's name in a sentence."""


def read(folder: pathlib.Path, key: Mapping[str, Any]) -> Arrays:
    """The arrays as memory maps. Raises Unusable if they belong to another key or were changed."""
    try:
        about = json.loads((folder / ABOUT).read_text())
        written, sums = about["key"], about["checksums"]
        found = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in sums}
        damaged = [name for name, array in found.items() if of_host(array) != sums[name]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError) as error:
        raise Unusable(f"is damaged ({' '.join(str(error).split())})") from error
    if differing := differences(written, key):
        raise Unusable(f"holds features of something else, {'; '.join(differing)}")
    if damaged:
        raise Unusable(f"is damaged ({', '.join(damaged)} not as written)")
    return found


def write(folder: pathlib.Path, key: Mapping[str, Any], arrays: Arrays) -> None:
    """Written aside and renamed: a killed process leaves nothing that `read` accepts."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".writing-") as aside:
        whole = pathlib.Path(aside) / "whole"
        whole.mkdir()
        for name, array in arrays.items():
            np.save(whole / f"{name}.npy", array)
        sums = {name: of_host(array) for name, array in arrays.items()}
        write_json(whole / ABOUT, {"key": key, "checksums": sums})
        shutil.rmtree(folder, ignore_errors=True)
        whole.rename(folder)


def of_images(images: ImageSet) -> dict[str, Any]:
    """What identifies the pictures of a set and their order: every bit of them, encoded where the set is."""
    if isinstance(images, Dataset):
        sums = {"images": of_host(images.images)}
        if images.extents is not None:
            sums["extents"] = of_host(images.extents)
    else:
        read = (np.frombuffer(images.records.read(int(row)), np.uint8) for row in images.positions)
        sums = {"images": of_host(np.asarray([of_host(record) for record in read], np.uint32))}
    return {"count": len(images), "shape": list(images.image_shape), "varies": images.varies} | sums
