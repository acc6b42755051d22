"""Files of vectors (`.npy`, `.npz`, `.csv`), written batch by batch and complete or absent.

.npy   the vectors, float32 [n, dim]
.npz   vectors; names [n], where the source names its pictures; labels int32 [n], where it has labels
.csv   a header and a line per picture: name, label (where there are any), 0, 1, ..., dim - 1
"""

import contextlib
import csv
import io
import itertools
import os
import pathlib
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any

import numpy as np
from jaxtyping import Float, Int

from contrastive_jax.errors import InputError, either

Batches = Iterable[Float[np.ndarray, "_ dim"]]


def check(path: pathlib.Path) -> None:
    """Raises InputError for a path that `write` refuses: another suffix, an existing file, a missing folder."""
    if path.suffix not in WRITERS:
        raise InputError(
            f"{path} does not end in {either(WRITERS)}: choose one of these formats by the suffix."
        )
    if path.exists():
        raise InputError(f"{path} exists already: choose another name, or remove it first.")
    if not path.parent.is_dir():
        raise InputError(
            f"there is no folder {path.parent}: make it, or choose another place for {path.name}."
        )


def write(
    path: pathlib.Path,
    vectors: Batches,
    shape: tuple[int, int],
    *,
    names: Sequence[str] | None = None,
    labels: Int[np.ndarray, " n"] | None = None,
) -> None:
    """Writes a file in the format of its suffix. It appears under its name when it is complete.

    Args:
      vectors: batches of rows, in order.
      shape: number and dimension of all vectors.
      names: of the pictures, such as their paths; None: they have none. `.npy` leaves them out, and labels too.
      labels: class numbers; None: there are none.

    Raises:
      InputError: see `check`.
    """
    check(path)
    part = path.with_name(f"{path.name}.part{os.getpid()}")
    try:
        with part.open("wb") as file:
            WRITERS[path.suffix](file, vectors, shape, names, labels)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_npy(file: IO[bytes], vectors: Batches, shape: tuple[int, int], names: Any, labels: Any) -> None:
    write_array(file, vectors, shape)


def write_npz(file: IO[bytes], vectors: Batches, shape: tuple[int, int], names: Any, labels: Any) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        with archive.open("vectors.npy", "w", force_zip64=True) as member:
            write_array(member, vectors, shape)
        for key, values in (("names", names), ("labels", labels)):
            if values is not None:
                with archive.open(f"{key}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, np.asarray(values), allow_pickle=False)


def write_csv(file: IO[bytes], vectors: Batches, shape: tuple[int, int], names: Any, labels: Any) -> None:
    columns = {key: values for key, values in (("name", names), ("label", labels)) if values is not None}
    with text(file) as lines:
        table = csv.writer(lines)
        table.writerow([*columns, *range(shape[1])])
        beside = zip(*columns.values(), strict=True) if columns else itertools.repeat(())
        for batch in vectors:
            table.writerows((*next(beside), *row) for row in batch)


def write_array(file: Any, vectors: Batches, shape: tuple[int, int]) -> None:
    """The `.npy` format: its header tells the shape, so rows can follow one by one. file: binary, or a zip's member."""
    kind = np.dtype(np.float32).newbyteorder("<")
    header = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    for batch in vectors:
        file.write(batch.astype(kind).tobytes())


@contextlib.contextmanager
def text(file: IO[bytes]) -> Iterator[IO[str]]:
    """The same file for text, still open afterwards. Names of files that are not UTF-8 keep their bytes."""
    wrapped = io.TextIOWrapper(file, encoding="utf-8", errors="surrogateescape", newline="")
    try:
        yield wrapped
    finally:
        wrapped.detach()


WRITERS = {".npy": write_npy, ".npz": write_npz, ".csv": write_csv}
