"""Embeds pictures with the encoder of a run and writes their vectors to a file.

    python -m contrastive_jax embed --run=runs/a --source=folder:/my/pictures --output=vectors.npz

The source is anything that pretraining reads, with labels or without; without --source, the run's own data set. The
format follows from the output's suffix: `.npz` (`vectors` float32 [n, dim], `names` and `labels`), `.csv` (a line per
picture, for spreadsheets and pandas) or `.npy` (the vectors alone). Pictures of a folder are in the order of their
paths, arrays in their own. Pictures are decoded while the devices compute and never held all at once, and the file
appears when it is complete.
"""

import dataclasses
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np
from tqdm import tqdm

from contrastive_jax import vector_files
from contrastive_jax.config.flags import Command, Flag
from contrastive_jax.data.encoded import EncodedImages, ImageSet
from contrastive_jax.data.split import MissingSplit
from contrastive_jax.encoder import Encoder, load_encoder
from contrastive_jax.errors import InputError
from contrastive_jax.evaluate.settings import JUDGED
from contrastive_jax.experiment import Data, assemble
from contrastive_jax.models.outputs import FINAL
from contrastive_jax.train.run_directory import RunDirectory


def embed(
    *,
    run: str,
    output: str,
    source: str = "",
    split: str = "",
    data_dir: str = "",
    exit: str = FINAL,
    step: int = -1,
    judged: str = JUDGED[0],
    batch_size: int = 512,
    workers: int = -1,
) -> None:
    """Writes the file `output`."""
    file = pathlib.Path(output)
    vector_files.check(file)
    chosen = None if step < 0 else step
    encoder = load_encoder(run, step=chosen, exit=exit, judged=judged, batch_size=batch_size)
    images = pictures(run, encoder, source, split, data_dir)
    vector_files.write(
        file,
        with_progress(encoder.stream(images, workers=workers), images),
        (len(images), encoder.dims[exit]),
        names=names(images),
        labels=images.labels if images.labelled else None,
    )
    print(f"{file}: {len(images):,} vectors of {encoder.dims[exit]}, from {run} at step {encoder.step}")


def pictures(run: str, encoder: Encoder, source: str, split: str, data_dir: str) -> ImageSet:
    """What is embedded, in the order of the file."""
    experiment = assemble(RunDirectory(pathlib.Path(run)).config())
    data = experiment.data
    if source:
        data = Data(source=source, image_size=data.image_size)
    if data_dir:
        data = dataclasses.replace(data, data_dir=data_dir)
    try:
        images = dataclasses.replace(experiment, data=data).open(split or data.train_split)
    except MissingSplit as error:
        raise InputError(f"in '{data.source}' {error} Give --split.") from error
    if not isinstance(images, EncodedImages):
        return images
    images = images.subset(np.argsort(images.positions, kind="stable"))  # a folder is shuffled for training
    return dataclasses.replace(images, image_shape=(*images.image_shape[:2], encoder.image_shape[2]))


def names(images: ImageSet) -> Sequence[str] | None:
    """The paths of pictures in files, or how a prepared set calls them; arrays have no names."""
    if not isinstance(images, EncodedImages):
        return None
    return [images.records.where(int(record)) for record in images.positions]


def with_progress(vectors: Iterator[np.ndarray], images: ImageSet) -> Iterator[np.ndarray]:
    with tqdm(total=len(images), desc=f"embedding {images.name}", unit="images", disable=None) as bar:
        for batch in vectors:
            yield batch
            bar.update(len(batch))


COMMAND = Command(
    "embed",
    __doc__,
    embed,
    flags=(
        Flag("run", "", "The directory of a pretraining.", required=True),
        Flag("output", "", "A new file that ends in .npz, .csv or .npy.", required=True),
        Flag(
            "source", "", "What to embed: folder:/my/pictures, tfds:NAME, npz:/file.npz, ...; '': the run's."
        ),
        Flag("split", "", "`train`, `test`, or part of one: `train[:90%]`; '': what training reads."),
        Flag(
            "data_dir",
            "",
            "Folder of prepared or unpacked data sets; '': the source's default, or the run's.",
        ),
        Flag("exit", FINAL, "Whose representations: final, the backbone, or a sub-network such as block2."),
        Flag("step", -1, "Checkpoint whose encoder embeds; -1: the newest."),
        Flag("judged", JUDGED[0], "The trained network, or its slow copy.", choices=JUDGED),
        Flag("batch_size", 512, "Images that the encoder sees at a time."),
        Flag("workers", -1, "Processes that decode; -1: one per core for pictures, none for arrays."),
    ),
)
