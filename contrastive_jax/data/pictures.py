"""Decodes pictures (JPEG, PNG, GIF, WebP, BMP, TIFF, ...) to uint8 arrays.

`decode_within` keeps the whole picture and bounds its longest side; `decode` brings every picture to one shape: the
largest centred box with the target's aspect ratio, resampled to the target, which is a resize of the shorter side and a
centre crop in one. All random augmentation happens later, on the device, so one decode serves all views.

The result is what a viewer would show: rotated by the EXIF orientation; CMYK, palette and 16-bit pixels converted to
8-bit RGB or gray; transparency composited on white; the first frame of an animation. Pillow does this. Ordinary JPEGs
are decoded by simplejpeg if it is installed, a thin wrapper of the same libjpeg-turbo: the same pixels (tested), in a
third of the time for small pictures.
"""

import contextlib
import io
from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

try:
    import simplejpeg
except ImportError:  # no wheel for this platform
    simplejpeg = None

from contrastive_jax.errors import InputError

# fmt: off
SUFFIXES = frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm",
))
# fmt: on
"""File name extensions of pictures, in lower case."""
MODES = {1: "L", 3: "RGB"}
ORIENTATION = 0x0112  # EXIF tag; values 5 to 8 swap height and width
JPEG, EXIF = b"\xff\xd8", b"Exif\0\0"  # their first bytes
HEADER = 1 << 16  # bytes, which include the EXIF segment if there is one
SPACES = {
    1: ("Gray",),
    3: ("Gray", "YCbCr"),
}  # JPEG color spaces that libjpeg converts to gray or RGB as Pillow does
WHITE = (255, 255, 255, 255)
Target = Callable[[int, int], tuple[int, int]]
"""From height and width of an upright picture to those that it is decoded to."""


class CorruptImage(InputError):
    """A picture that cannot be decoded; the message names it."""


def decode(data: bytes, shape: tuple[int, int, int], where: str = "") -> UInt8[np.ndarray, "h w c"]:
    """Decodes a picture to an array of `shape` (height, width, channels): its centre, if it has another aspect ratio.

    A JPEG at least twice as large as needed is decoded at 1/2, 1/4 or 1/8 of its size by libjpeg's scaled inverse
    DCT: several times faster, and the antialiased resize that follows sees the same frequencies.

    Args:
      where: the picture's name in error messages.

    Raises:
      CorruptImage: the picture cannot be decoded.
    """
    height, width, channels = shape
    return _decode(data, lambda rows, columns: (height, width), channels, where)


def decode_within(data: bytes, side: int, channels: int, where: str = "") -> UInt8[np.ndarray, "h w c"]:
    """Decodes the whole picture with its aspect ratio, shrunk so that no side is longer than `side` pixels.

    Smaller pictures keep their size. Otherwise as `decode`.
    """

    def target(height: int, width: int) -> tuple[int, int]:
        scale = min(1.0, side / max(height, width))
        return max(1, round(height * scale)), max(1, round(width * scale))

    return _decode(data, target, channels, where)


def natural_size(data: bytes, where: str = "") -> tuple[int, int]:
    """Height and width of the picture as a viewer shows it, read from its header."""
    with _opened(data, where) as image:
        width, height = image.size
        return (width, height) if _turned(image) else (height, width)


def faithful(data: bytes, channels: int, where: str = "") -> bytes:
    """`data` itself if every decoder gives the same 8-bit picture, else the picture as a PNG.

    Decodes the whole picture, so one that passes is not truncated.
    """
    with _opened(data, where) as image:
        image.load()
        plain = image.format in ("JPEG", "PNG") and image.mode in ("L", "RGB")
        if plain and not image.has_transparency_data and image.getexif().get(ORIENTATION, 1) == 1:
            return data
        picture = _upright(_in_mode(image, MODES[channels]))
    return png(np.asarray(picture))


def png(image: np.ndarray) -> bytes:
    """Encodes a uint8 image of shape [height, width, 1 or 3] or [height, width] as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[2:] == (1,) else image).save(buffer, "png", compress_level=3)
    return buffer.getvalue()


def _decode(data: bytes, target: Target, channels: int, where: str) -> UInt8[np.ndarray, "h w c"]:
    found = _ordinary_jpeg(data, target, channels) if data[:2] == JPEG else None
    return _any_picture(data, target, channels, where) if found is None else found


def _any_picture(data: bytes, target: Target, channels: int, where: str) -> UInt8[np.ndarray, "h w c"]:
    with _opened(data, where) as image:
        turned = _turned(image)
        height, width = target(*(image.size if turned else image.size[::-1]))
        if image.format == "JPEG":
            factor = _shrink_factor(image.size, (height, width) if turned else (width, height))
            image.draft(None, (image.width // factor, image.height // factor))
        picture = _upright(_in_mode(image, MODES[channels]))
        if picture.size != (width, height):
            picture = _cover(picture, width, height)
        return np.asarray(picture).reshape(height, width, channels)


def _ordinary_jpeg(data: bytes, target: Target, channels: int) -> UInt8[np.ndarray, "h w c"] | None:
    """Decodes an upright, complete JPEG in gray or YCbCr as `_any_picture` would; None for any other picture."""
    if simplejpeg is None:
        return None
    try:
        *size, space, _ = simplejpeg.decode_jpeg_header(data)
        rows, columns = map(int, size)
        mode = "GRAY" if channels == 1 else "RGB"
        if space not in SPACES[channels] or (EXIF in data[:HEADER] and _is_turned(data)):
            return None
        height, width = target(rows, columns)
        factor = _shrink_factor((columns, rows), (width, height))
        least_rows, least_columns = (-(-given // factor) if factor > 1 else 0 for given in (rows, columns))
        image = simplejpeg.decode_jpeg(
            data, mode, min_height=least_rows, min_width=least_columns, min_factor=factor
        )
    except ValueError:  # even a warning of the decoder raises it; Pillow decides then
        return None
    shape = (height, width, channels)
    if image.shape == shape:
        return image
    gray_or_rgb = Image.fromarray(image[..., 0] if channels == 1 else image)
    return np.asarray(_cover(gray_or_rgb, width, height)).reshape(shape)


def _is_turned(data: bytes) -> bool:
    with Image.open(io.BytesIO(data)) as image:
        return image.getexif().get(ORIENTATION, 1) != 1


@contextlib.contextmanager
def _opened(data: bytes, where: str) -> Iterator[Image.Image]:
    """Opens a picture with Pillow, whose plugins raise almost anything; all of it becomes `CorruptImage`."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            yield image
    except CorruptImage:
        raise
    except Exception as error:
        reason = "unknown picture format" if isinstance(error, Image.UnidentifiedImageError) else error
        raise CorruptImage(f"{where or 'a picture'} cannot be decoded ({reason}).") from error


def _turned(image: Image.Image) -> bool:
    """Whether showing the picture upright swaps its height and width."""
    return "exif" in image.info and image.getexif().get(ORIENTATION, 1) in (5, 6, 7, 8)


def _upright(picture: Image.Image) -> Image.Image:
    return ImageOps.exif_transpose(picture) if "exif" in picture.info else picture


def _shrink_factor(size: tuple[int, int], target: tuple[int, int]) -> int:
    """By what factor a JPEG may be shrunk in decoding and still cover `target`: 8, 4, 2 or 1."""
    return next((f for f in (8, 4, 2) if all(given >= f * wanted for given, wanted in zip(size, target))), 1)


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    """The picture as 8-bit gray (`L`) or `RGB`."""
    if image.mode.startswith("I;16"):  # Pillow would clip them to 255 instead of scaling
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError(f"its {image.mode} pixels have no defined range; store 8 or 16 bits per channel")
    if image.mode != mode and image.has_transparency_data:
        shown = image.convert("RGBA")
        shown = Image.alpha_composite(Image.new("RGBA", shown.size, WHITE), shown)
        shown.info = image.info
        image = shown
    return image if image.mode == mode else image.convert(mode)


def _cover(picture: Image.Image, width: int, height: int) -> Image.Image:
    """Resamples the largest centred box with the target's aspect ratio to the target (antialiased bilinear)."""
    have = picture.size
    scale = max(width / have[0], height / have[1])
    box = min(width / scale, have[0]), min(height / scale, have[1])
    left, top = (have[0] - box[0]) / 2, (have[1] - box[1]) / 2
    corners = (left, top, min(left + box[0], have[0]), min(top + box[1], have[1]))
    return picture.resize((width, height), Image.Resampling.BILINEAR, box=corners)
