"""From a folder of pictures to an encoder with a test accuracy: prepare, pretrain, evaluate.

    python examples/own_pictures/own_pictures.py
    PICTURES=/my/pictures EPOCHS=100 python examples/own_pictures/own_pictures.py

Without PICTURES it writes a small folder of its own, so that it runs anywhere. The settings suit a CPU and a small
set; for a real one start from `configs/simclr.py` or `configs/supcon.py` with a larger network, batch and epochs.
"""

# %% One folder per class, in a training and a test part.
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

RUNS = pathlib.Path(os.environ.get("RUNS", "runs/own_pictures"))
PICTURES = pathlib.Path(os.environ.get("PICTURES", RUNS / "pictures"))
EPOCHS = float(os.environ.get("EPOCHS", 10))


def write_digits(folder: pathlib.Path) -> None:
    """scikit-learn's 1,797 handwritten digits as PNG files: folder/train/7/0123.png."""
    digits = load_digits()
    for number, (image, label) in enumerate(zip(digits.images, digits.target)):
        path = folder / ("test" if number % 5 == 0 else "train") / str(label) / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image * 255 / 16).astype(np.uint8)).resize((32, 32)).save(path)


if "PICTURES" not in os.environ and not PICTURES.exists():
    write_digits(PICTURES)
print(*sorted(str(path) for path in PICTURES.glob("*/*"))[:3], "...", sep="\n")


# %% Pretrain without labels. The same command again resumes; a finished run says so.
def run(module: str, *flags: str) -> None:
    subprocess.run([sys.executable, "-m", f"contrastive_jax.{module}", *flags], check=True)


run(
    "main",
    "--config=configs/simclr.py:folder,resnet8",
    f"--workdir={RUNS / 'simclr'}",
    f"--config.data.source=folder:{PICTURES.absolute()}",
    "--config.augment.size=32",
    "--config.augment.flip=0.0",
    "--config.network.stem=cifar",
    "--config.network.width=16",
    "--config.batch_size=128",
    f"--config.epochs={EPOCHS}",
    "--config.learning_rate.peak=0.02",
    "--config.schedule.warmup_epochs=1.0",
)

# %% Judge the frozen encoder: a linear classifier, nearest neighbours, an untrained encoder and raw pixels beside it.
run("linear_eval", "--config=configs/linear_eval.py:quick", f"--config.pretrained={RUNS / 'simclr'}")

# %% The same figures for a program to read.
found = json.loads((RUNS / "simclr" / "linear_eval" / "summary.json").read_text())
for name, percent in found["top1"].items():
    print(f"{name:40s} {percent:5.1f} %")
