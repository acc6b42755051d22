"""Files of labels for a folder of pictures that are not sorted into classes (the val of ImageNet and its kin).

Text with one line per picture, columns parted by tabs, commas or spaces:

    val_0.JPEG  n03444034  0  32  44  62            Tiny-ImageNet: name, class, box
    ILSVRC2012_val_00000001.JPEG 65                 name, number of the class in the order of the class names
    ILSVRC2012_val_00000001,n01751748 111 108 ...   Kaggle (under a heading): name without ending, class, box
    n01751748                                       class alone, in the order of the pictures' names

The file lies among the pictures, in the folder of the split, or beside it with the split's name in its own
(LOC_val_solution.csv, imagenet_2012_validation_labels.txt); its ending is .txt, .csv or .tsv.
"""

import os
import pathlib
import re

from contrastive_jax.errors import InputError

SUFFIXES = (".txt", ".csv", ".tsv")
BY_HAND = (
    "write 'file name<tab>class' for every picture into one .txt file there, or sort them into class folders"
)


def find(
    folder: pathlib.Path, root: pathlib.Path, paths: list[str], classes: list[str] | None
) -> tuple[list[int], list[str]] | None:
    """Labels of the pictures and the class names, or None where no file tells them.

    classes: the names that labels number; None to number those that occur, in their order.
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
    """The first two columns of every line; a line of one column gives a row of one."""
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    parted = (
        "\t" if any("\t" in line for line in lines) else "," if any("," in line for line in lines) else r"\s+"
    )
    return [re.split(parted, line.strip())[:2] for line in lines if line.strip()]


def _by_name(rows: list[list[str]], paths: list[str], file: pathlib.Path) -> list[str] | None:
    """The class name of every picture, looked up by file name; None where the file names no picture."""
    named = {_stem(row[0]): row[1].split()[0] for row in rows if len(row) == 2 and row[1].strip()}
    missing = [path for path in paths if _stem(path) not in named]
    if len(missing) == len(paths):
        return None
    if missing:
        raise InputError(
            f"{file} has no label for {len(missing)} of the {len(paths)} pictures, {missing[0]} for example; {BY_HAND}."
        )
    return [named[_stem(path)] for path in paths]


def _in_order(
    rows: list[list[str]], paths: list[str], classes: list[str] | None, file: pathlib.Path
) -> list[str] | None:
    """One class per line, for the pictures in the order of their names."""
    if len(rows) != len(paths) or any(len(row) != 1 for row in rows):
        return None
    names = [row[0] for row in rows]
    if not classes or not set(names) <= set(classes):
        raise InputError(
            f"{file} holds '{names[0]}', ..., which are no names of class folders (the numbers of ImageNet's "
            f"development kit are in an order of their own); {BY_HAND}."
        )
    return names


def _numbered(names: list[str], classes: list[str] | None, file: pathlib.Path) -> tuple[list[int], list[str]]:
    """Class names, or numbers into the sorted class names, as labels."""
    digits = all(name.isdigit() for name in names)
    if classes is None:
        classes = sorted(set(names), key=int if digits else str)
    elif digits and not set(names) <= set(classes):
        labels = [int(name) for name in names]
        if max(labels) >= len(classes):
            raise InputError(
                f"{file} has class number {max(labels)}, but the {len(classes)} classes are numbered from 0 in the "
                f"order of their names; {BY_HAND}."
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
    """File name without folders and without a picture's ending."""
    return re.sub(
        r"\.(jpe?g|png|gif|webp|bmp|tiff?)$", "", os.path.basename(path.strip()), flags=re.IGNORECASE
    )
