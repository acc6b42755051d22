"""Label files of pictures that are not sorted into class folders, such as the validation set of ImageNet.

A label file is text with one line per picture and columns separated by tabs, commas or spaces:

    val_0.JPEG  n03444034  0  32  44  62            Tiny-ImageNet: name, class, box
    ILSVRC2012_val_00000001.JPEG 65                 name, index of the class among the sorted class names
    ILSVRC2012_val_00000001,n01751748 111 108 ...   Kaggle, with a header line: name without extension, class, box
    n01751748                                       class only, for the pictures sorted by name

The file is beside the pictures, in the folder of the split, or next to that folder with the split's name in the file
name (LOC_val_solution.csv, imagenet_2012_validation_labels.txt). Its extension is .txt, .csv or .tsv.
"""

import os
import pathlib
import re

from contrastive_jax.errors import InputError

SUFFIXES = (".txt", ".csv", ".tsv")
BY_HAND = (
    "write one .txt file there with a line 'file name<tab>class' per picture, or sort them into class folders"
)


def find(
    folder: pathlib.Path, root: pathlib.Path, paths: list[str], classes: list[str] | None
) -> tuple[list[int], list[str]] | None:
    """Finds the labels of pictures in a label file.

    Args:
      folder: of the split.
      root: of the data set.
      paths: of the pictures.
      classes: the class names that labels index; None takes those that occur, sorted.

    Returns:
      Labels and class names, or None if there is no label file.
    """
    for file in _candidates(folder, root, paths):
        rows = _rows(file)
        names = _by_name(rows, paths, file) or _in_order(rows, paths, classes, file)
        if names is not None:
            return _numbered(names, classes, file)
    return None


def _candidates(folder: pathlib.Path, root: pathlib.Path, paths: list[str]) -> list[pathlib.Path]:
    inside = {folder, pathlib.Path(os.path.dirname(paths[0]))}
    beside = [path for path in root.iterdir() if folder != root and folder.name.lower() in path.name.lower()]
    found = [path for place in inside for path in place.iterdir()] + beside
    return sorted({path for path in found if path.suffix.lower() in SUFFIXES and path.is_file()})


def _rows(file: pathlib.Path) -> list[list[str]]:
    """The first two columns of every line, or its only column."""
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    separator = next((mark for mark in "\t," if any(mark in line for line in lines)), r"\s+")
    return [re.split(separator, line.strip())[:2] for line in lines if line.strip()]


def _by_name(rows: list[list[str]], paths: list[str], file: pathlib.Path) -> list[str] | None:
    """The class name of every picture, looked up by file name; None if the file names none of the pictures."""
    named = {_stem(row[0]): row[1].split()[0] for row in rows if len(row) == 2 and row[1].strip()}
    missing = [path for path in paths if _stem(path) not in named]
    if len(missing) == len(paths):
        return None
    if missing:
        raise InputError(
            f"{file} has no label for {len(missing)} of the {len(paths)} pictures, such as {missing[0]}; {BY_HAND}."
        )
    return [named[_stem(path)] for path in paths]


def _in_order(
    rows: list[list[str]], paths: list[str], classes: list[str] | None, file: pathlib.Path
) -> list[str] | None:
    """One class per line, for the pictures sorted by name."""
    if len(rows) != len(paths) or any(len(row) != 1 for row in rows):
        return None
    names = [row[0] for row in rows]
    if not classes or not set(names) <= set(classes):
        raise InputError(
            f"{file} has '{names[0]}' and other entries that are not names of class folders (ImageNet's development "
            f"kit numbers the classes in a different order); {BY_HAND}."
        )
    return names


def _numbered(names: list[str], classes: list[str] | None, file: pathlib.Path) -> tuple[list[int], list[str]]:
    """Converts class names, or indices into the sorted class names, to labels."""
    digits = all(name.isdigit() for name in names)
    if classes is None:
        classes = sorted(set(names), key=int if digits else str)
    elif digits and not set(names) <= set(classes):
        labels = [int(name) for name in names]
        if max(labels) >= len(classes):
            raise InputError(
                f"{file} has class number {max(labels)}, but the {len(classes)} classes, sorted by name, are numbered "
                f"from 0; {BY_HAND}."
            )
        return labels, classes
    number = {name: label for label, name in enumerate(classes)}
    strange = sorted(set(names) - set(number))
    if strange:
        raise InputError(
            f"{file} names a class '{strange[0]}' that the training pictures do not have; {BY_HAND}."
        )
    return [number[name] for name in names], classes


def _stem(path: str) -> str:
    """The file name without folders and without the extension of a picture."""
    return re.sub(
        r"\.(jpe?g|png|gif|webp|bmp|tiff?)$", "", os.path.basename(path.strip()), flags=re.IGNORECASE
    )
