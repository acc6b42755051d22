"""Weights, BatchNorm statistics and images as a pure function of name and index, for PyTorch and for us alike.

Entries are numbered k = 0, 1, ... row-major in torch's layout (images: batch, height, width, channel). In float64,
rounded to float32 at the end:

    phase    = crc32(name) / 2**32
    wave(k)  = the fraction of 1e4 * sin((1 + phase) * (k + 1))             in [0, 1)

    kernels, matrices, tokens   (2 wave - 1) * sqrt(6 / fan_in)     fan_in: entries per output
    *bias, *running_mean        0.2 wave - 0.1
    other vectors               0.2 + 0.8 wave                      scales and *running_var

An image's pixels are (2 wave - 1) times its contrast, which grows with its number, plus an offset per channel, so
that statistics over a batch of four differ between images.
"""

import zlib

import numpy as np


def filled(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The tensor that torch calls `name`, of torch's `shape`, in float32."""
    w = wave(name, shape)
    if name.endswith(("bias", "running_mean")):
        value = 0.2 * w - 0.1
    elif len(shape) > 1:
        value = (2 * w - 1) * np.sqrt(6 / np.prod(shape[1:]))
    else:
        value = 0.2 + 0.8 * w
    return value.astype(np.float32)


def images(shape: tuple[int, int, int, int]) -> np.ndarray:
    """A batch `[batch, height, width, channel]` in float32."""
    batch, channels = shape[0], shape[3]
    contrast = (1 + np.arange(batch)) / batch
    offset = 2 * wave("offset", (batch, 1, 1, channels)) - 1
    pixels = contrast[:, None, None, None] * (2 * wave("images", shape) - 1) + offset
    return pixels.astype(np.float32)


def wave(name: str, shape: tuple[int, ...]) -> np.ndarray:
    phase = zlib.crc32(name.encode()) / 2**32
    number = np.arange(1, 1 + int(np.prod(shape)), dtype=np.float64)
    product = 1e4 * np.sin((1 + phase) * number)
    return (product - np.floor(product)).reshape(shape)
