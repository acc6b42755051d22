"""Prepares a data set, once, to be read as `tfds:NAME`.

    python -m contrastive_jax prepare --dataset=cifar10 --data_dir=DIR
    python -m contrastive_jax prepare --dataset=cifar10 --data_dir=DIR --manual_dir=FOLDER
    python -m contrastive_jax prepare --dataset=mine    --data_dir=DIR --from=folder:/my/pictures
    python -m contrastive_jax prepare --dataset=cifar10 --data_dir=DIR --from=tfrecord:/old/cifar10/3.0.2

The first downloads. The second reads archives that you downloaded, under their upstream names
(cifar-10-binary.tar.gz), and verifies their checksums. The third stores the images of any other source, in order. The
fourth converts a data set that was prepared in the format that only TensorFlow reads. All write array_record files in
the layout of tensorflow-datasets, DIR/name/version.

Storing and converting resume if they were killed. Every picture is decoded once on the way: corrupt ones are counted
and listed by path, and the data set is finished only when they are replaced, or left out by `--skip_corrupt`.
`--image_size=448` stores pictures shrunk to that longest side, with their aspect ratio. TensorFlow is imported only to
download.
"""

import os

from absl import logging

from contrastive_jax.config.flags import Command, Flag
from contrastive_jax.data.prepare import prepare


def run(
    *, dataset: str, data_dir: str, manual_dir: str, source: str, skip_corrupt: bool, image_size: int
) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.set_verbosity(logging.WARNING)
    # TensorFlow would take all of a GPU's memory, and needs none here.
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    folder = prepare(
        dataset,
        data_dir,
        manual_dir=manual_dir,
        source=source,
        skip_corrupt=skip_corrupt,
        image_size=image_size,
    )
    print(f"tfds:{dataset} is ready in {folder}")


COMMAND = Command(
    "prepare",
    __doc__,
    run,
    flags=(
        Flag(
            "dataset",
            "",
            "A name in tensorflow-datasets, or with --from a name of your choice.",
            required=True,
        ),
        Flag("data_dir", "", "Where to write; default $TFDS_DATA_DIR or ~/tensorflow_datasets."),
        Flag("manual_dir", "", "Folder of archives that you downloaded yourself."),
        Flag(
            "from",
            "",
            "A source to store: folder:/dir, npz:/file.npz, ..., or tfrecord:/dir.",
            parameter="source",
        ),
        Flag("skip_corrupt", False, "Leave out pictures that cannot be decoded."),
        Flag(
            "image_size",
            0,
            "With --from: store pictures shrunk to this longest side, with their aspect ratio.",
        ),
    ),
)
