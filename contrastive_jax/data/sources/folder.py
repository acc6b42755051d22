"""`folder:/path`: pictures in folders.

    /path/cat/1.jpg                           a sub-folder per class; everything is the split `train`
    /path/train/cat/1.jpg, /path/val/cat/2.jpg        the same for each split (`val`, `valid`, `validation`, `test`)
    /path/train/n01443537/images/1.JPEG, /path/val/images/2.JPEG, /path/val/val_annotations.txt   Tiny-ImageNet
    /path/train/n01440764/1.JPEG, /path/val/2.JPEG, and a label file for val                      ImageNet
    /path/1.jpg                               pictures without labels, for self-supervised methods

Sub-folders of a class belong to it. Classes are those of the training split, numbered in the order of their names. The
split `test` is `val` if there is no labelled test folder. `label_files.py` describes label files. Hidden files and
files that are not pictures are ignored; links are followed.

Examples are in a fixed random order, not grouped by class, so `train[:10%]` is a fair sample of the split. All
pictures become RGB.
"""

import dataclasses
import os
import pathlib
from collections.abc import Iterator

import numpy as np

from contrastive_jax.data import label_files
from contrastive_jax.data.dataset import no_labels
from contrastive_jax.data.encoded import EncodedImages, usual_shape
from contrastive_jax.data.pictures import SUFFIXES, CorruptImage
from contrastive_jax.data.samplers import permutation
from contrastive_jax.data.split import parse_split
from contrastive_jax.errors import InputError

VALIDATION = ("val", "valid", "validation")
CHANNELS = 3


def load(location: str, split: str, data_dir: str) -> EncodedImages:
    """`location` is the folder, optionally relative to `data_dir`; pictures stay encoded until they are needed."""
    if not location and not data_dir:
        raise InputError("say which folder: --config.data.source=folder:/my/pictures, for example.")
    root, name = pathlib.Path(data_dir, location).expanduser(), f"folder:{location}"
    folders = _split_folders(root)
    part = parse_split(split, _names(folders))
    train = _listing(folders["train"], root, None)
    listing = train if part.name == "train" else _held_out(part.name, folders, root, train.classes)
    shape, varies = usual_shape(train.files(), CHANNELS)  # of the training pictures, for all splits
    n = len(listing.paths)
    order = permutation(n, seed=0, epoch=0)
    labels = no_labels(n) if listing.labels is None else np.array(listing.labels, np.int32)
    whole = EncodedImages(listing.files(), order, labels[order], len(listing.classes), name, shape, varies)
    return whole.subset(part.rows(n))


@dataclasses.dataclass(frozen=True, eq=False)
class Files:
    """Pictures by path. Paths are one array of bytes, because a million Python strings would take a gigabyte."""

    paths: np.ndarray

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, row: int) -> bytes:
        try:
            with open(self.paths[row], "rb") as file:
                return file.read()
        except OSError as error:
            raise CorruptImage(f"{self.where(row)} cannot be read ({error.strerror}).") from error

    def where(self, row: int) -> str:
        return os.fsdecode(self.paths[row])


@dataclasses.dataclass(frozen=True)
class Listing:
    """The pictures of a split, sorted by path, and their classes if there are any."""

    paths: list[str]
    labels: list[int] | None
    classes: list[str]

    def files(self) -> Files:
        return Files(np.array([os.fsencode(path) for path in self.paths]))


def _split_folders(root: pathlib.Path) -> dict[str, pathlib.Path]:
    """Folders by split: `train`, and `val` and `test` if they exist."""
    if root.is_file():
        raise InputError(f"{root} is a file; unpack it and give the folder of pictures.")
    if not root.is_dir():
        raise InputError(f"there is no folder {root}; give an existing one as folder:/path/to/pictures.")
    by_name = {path.name.lower(): path for path in root.iterdir() if path.is_dir()}
    found = {name: by_name[name] for name in ("train", "test") if name in by_name}
    held_out = [by_name[name] for name in VALIDATION if name in by_name]
    if held_out:
        found["val"] = held_out[0]
    if len(found) < 2:  # `train` alone may also be a class (the vehicle) next to other classes
        others = [path for path in by_name.values() if path not in found.values()]
        if not found or any(next(_pictures(str(path)), None) for path in others if path.name[0] not in "._"):
            return {"train": root}
    if "train" not in found:
        raise InputError(
            f"{root} has a folder {', '.join(sorted(found))} but none called train; rename the folder of training "
            "pictures, or give that folder itself as the data source."
        )
    return found


def _names(folders: dict[str, pathlib.Path]) -> list[str]:
    """The split names that an expression may use."""
    names = list(folders)
    if "val" in folders:
        names += ["test", *VALIDATION]
    return names


def _held_out(name: str, folders: dict[str, pathlib.Path], root: pathlib.Path, classes: list[str]) -> Listing:
    """`val`; or for `test`, the first of test and val that has labels (Tiny-ImageNet's test set has none)."""
    candidates = ("test", "val") if name == "test" else ("val",)
    listings = [_listing(folders[key], root, classes or None) for key in candidates if key in folders]
    return next((listing for listing in listings if listing.labels is not None), listings[0])


def _listing(folder: pathlib.Path, root: pathlib.Path, classes: list[str] | None) -> Listing:
    """The pictures of one split. `classes` are those of the training split, None for the training split itself."""
    loose = sorted(path for path in _visible(folder) if not os.path.isdir(path) and _is_picture(path))
    groups = {
        os.path.basename(path): sorted(_pictures(path)) for path in _visible(folder) if os.path.isdir(path)
    }
    groups = {name: paths for name, paths in sorted(groups.items()) if paths}
    if loose and groups:
        raise InputError(
            f"{folder} has pictures both beside and inside its sub-folders ({os.path.basename(loose[0])}, "
            f"{next(iter(groups))}/); put every picture into the folder of its class, or all into one folder."
        )
    if not loose and not groups:
        raise InputError(
            f"there are no pictures in {folder} or its sub-folders; give a folder of files with one of the "
            f"extensions {', '.join(sorted(SUFFIXES))}."
        )
    if len(groups) > 1 or (classes and set(groups) <= set(classes) and groups):
        return _by_folder(groups, folder, classes)
    paths = loose or next(iter(groups.values()))
    found = label_files.find(folder, root, paths, classes)
    return Listing(paths, None, []) if found is None else Listing(paths, *found)


def _by_folder(groups: dict[str, list[str]], folder: pathlib.Path, classes: list[str] | None) -> Listing:
    """One class per sub-folder."""
    known = list(groups) if classes is None else classes
    number = {name: label for label, name in enumerate(known)}
    strange = [name for name in groups if name not in number]
    if strange:
        raise InputError(
            f"{folder} has a class '{strange[0]}' that the training pictures do not have; remove or rename its folder."
        )
    paths = [path for group in groups.values() for path in group]
    return Listing(paths, [number[name] for name, group in groups.items() for _ in group], known)


def _pictures(folder: str) -> Iterator[str]:
    """The paths of all pictures below `folder`."""
    for path in _visible(folder):
        if os.path.isdir(path):
            yield from _pictures(path)
        elif _is_picture(path):
            yield path


def _visible(folder: str | os.PathLike) -> list[str]:
    """The entries of a folder, except hidden ones and leftovers of unpacking such as __MACOSX."""
    return [entry.path for entry in os.scandir(folder) if not entry.name.startswith((".", "__"))]


def _is_picture(path: str) -> bool:
    return os.path.splitext(path)[1].lower() in SUFFIXES
