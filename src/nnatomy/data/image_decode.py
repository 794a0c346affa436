"""Image files turned into bytes of one size, or refused with the reason."""

from __future__ import annotations

import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from nnatomy.errors import DataError, SettingError, nearest

Fit: TypeAlias = Literal["crop", "squash", "pad"]

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP")
"""File formats that are read; whatever else Pillow knows stays closed."""

PIXEL_LIMIT = 64_000_000
"""Larger images are refused by their header: a small file can unpack to gigabytes."""

_GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N"})
_ORIENTATION = 0x0112  # the EXIF tag
_BROKEN_NOTES = (SyntaxError, ValueError, TypeError, ArithmeticError, LookupError, struct.error)
_DARKEST_WHITE, _WHITE = 255, 65_535
_DRAFT_GAP = 2  # a JPEG is unpacked at no less than this multiple of the wanted size


class UnreadableImageError(DataError):
    """An image cannot be used.

    Args:
        name: The file.
        reason: Why.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.reason = reason


@dataclass(frozen=True)
class Framing:
    """The form that every image is brought into.

    Args:
        size: Height and width in pixels.
        channels: 1 for grey, 3 for red, green, blue.
        fit: What happens when the proportions differ. "crop": the shorter side is resized and
            the middle is cut out; "squash": both sides are resized, proportions are lost;
            "pad": the longer side is resized and black bars are added.
        white: Value of 16-bit pixels that becomes 255; brighter ones become 255 too.
    """

    size: tuple[int, int]
    channels: int
    fit: Fit = "crop"
    white: int = _WHITE

    def __post_init__(self) -> None:
        if self.fit not in get_args(Fit):
            raise SettingError(
                f"fit: unknown value {self.fit!r}; {nearest(self.fit, get_args(Fit))}"
            )
        if self.channels not in (1, 3):
            raise SettingError(f"channels: {self.channels} is neither 1 (grey) nor 3 (color)")
        if min(self.size) < 1 or self.size[0] * self.size[1] > PIXEL_LIMIT:
            raise SettingError(f"size: {self.size} is not a usable height and width in pixels")
        if not _DARKEST_WHITE <= self.white <= _WHITE:
            raise SettingError(f"white: {self.white} is not from {_DARKEST_WHITE} to {_WHITE}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of a framed image."""
        return (*self.size, self.channels)


@dataclass(frozen=True)
class Header:
    """What is known of an image before it is unpacked; sides as seen after EXIF rotation.

    An image is deep when its pixels have 16 bits.
    """

    height: int
    width: int
    grey: bool
    format: str
    deep: bool = False


class _QuietPillow:
    """Keeps Pillow's warnings from the user; what matters of them becomes a reason or a finding.

    `warnings.catch_warnings` alone is not safe when threads overlap, so the first to enter sets
    the filter and the last to leave restores the old ones.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._depth = 0
        self._saved = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._depth == 0:
                self._saved = warnings.catch_warnings()
                self._saved.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self._depth += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._depth -= 1
            if self._depth == 0:
                self._saved.__exit__(None, None, None)


_quiet_pillow = _QuietPillow()


def read_header(source: Path | bytes) -> Header:
    """Format, size and mode of an image, without unpacking it.

    Raises:
        UnreadableImageError: Not an image, of a format that is not allowed, or too large.
    """
    with _opened(source) as image:
        height, width = image.height, image.width
        if _is_turned(image):
            height, width = width, height
        grey, deep = image.mode in _GREY_MODES, image.mode.startswith("I")
        return Header(height, width, grey, _format(image), deep)


def brightest_pixel(source: Path | bytes) -> int:
    """The largest value of an image of 16-bit pixels.

    Raises:
        UnreadableImageError: As for `decode_image`.
    """
    with _opened(source) as image:
        image.load()
        return int(np.max(np.asarray(image)))


def white_above(brightest: int) -> int:
    """The value that is white where no pixel is brighter: that of the fewest bits, 8 to 16.

    A camera or scanner of 12 bits writes 0 to 4095 into 16-bit files: taken as shares of 65535,
    these would become 17 levels of grey.
    """
    return min(max((1 << brightest.bit_length()) - 1, _DARKEST_WHITE), _WHITE)


def decode_image(source: Path | bytes, framing: Framing) -> NDArray[np.uint8]:
    """Unpack an image completely, upright, on white where it is transparent, in the given form.

    Resizing is bilinear with antialiasing. Large JPEG photos are unpacked at a reduced scale
    that is still at least twice the wanted size. Of an animation the first frame is taken.

    Args:
        source: A file or its content.
        framing: Wanted size, channels and fit; see `Framing`.
    Shape: (height, width, channels), bytes 0 to 255.

    Raises:
        UnreadableImageError: The file cannot be read, is not an image, is cut short, is of a
            format that is not allowed, or is too large.
    """
    with _opened(source) as image:
        if _format(image) == "JPEG":
            _reduce(image, framing)
        image.load()
        upright = image if _orientation(image) == 1 else ImageOps.exif_transpose(image)
        mode = "L" if framing.channels == 1 else "RGB"
        flat = _flattened(upright, mode, framing.white)
        pixels = np.asarray(fit_image(flat, framing))
    return pixels.reshape(framing.shape)


def fit_image(image: Image.Image, framing: Framing) -> Image.Image:
    """Resize an image to the framing's size, treating other proportions as its `fit` says."""
    size = (framing.size[1], framing.size[0])
    if image.size == size:
        return image
    if framing.fit == "crop":
        return ImageOps.fit(image, size, Image.Resampling.BILINEAR)
    if framing.fit == "pad":
        return ImageOps.pad(image, size, Image.Resampling.BILINEAR)
    return image.resize(size, Image.Resampling.BILINEAR)


@contextmanager
def _opened(source: Path | bytes) -> Iterator[Image.Image]:
    """The image with its header read; whatever goes wrong until it is closed gets a plain reason.

    Broken files make Pillow raise nearly anything (SyntaxError and struct.error among them), so
    the kind of exception tells nothing here.
    """
    try:
        stream = source.open("rb") if isinstance(source, Path) else BytesIO(source)
        with _quiet_pillow, stream:
            if not stream.read(1):
                raise ValueError("empty file")
            stream.seek(0)
            with Image.open(stream, formats=FORMATS) as image:
                if image.width * image.height > PIXEL_LIMIT:
                    raise ValueError(_too_large())
                yield image
    except Exception as error:
        name = str(source) if isinstance(source, Path) else "image"
        raise UnreadableImageError(name, _reason(error)) from error


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return f"not an image of a known format ({', '.join(FORMATS)})"
    if isinstance(error, Image.DecompressionBombError):
        return _too_large()
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read ({error.strerror})"
    if isinstance(error, ValueError) and not isinstance(error, UnicodeError):
        return str(error)
    return f"cannot be unpacked ({str(error) or type(error).__name__})"


def _too_large() -> str:
    return f"more than {PIXEL_LIMIT // 1_000_000} million pixels"


def _format(image: Image.Image) -> str:
    """The file's format; MPO is a JPEG that carries further pictures, as some phones write."""
    return "JPEG" if image.format == "MPO" else str(image.format)


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8, that is still to be undone.

    Pillow turns TIFF images itself. Asking must not unpack the image, as PNG and WEBP would.
    """
    if image.format == "TIFF":
        return 1
    if image.format in ("PNG", "WEBP") and "exif" not in image.info:
        return 1
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except _BROKEN_NOTES:  # a broken note beside the picture does not spoil the picture
        return 1


def _is_turned(image: Image.Image) -> bool:
    return _orientation(image) in (5, 6, 7, 8)


def _reduce(image: Image.Image, framing: Framing) -> None:
    height, width = framing.size
    if _is_turned(image):
        height, width = width, height
    ratios = (width / image.width, height / image.height)
    scale = _DRAFT_GAP * max(ratios)
    image.draft(image.mode, (int(image.width * scale) + 1, int(image.height * scale) + 1))


def _flattened(image: Image.Image, mode: str, white: int) -> Image.Image:
    """In mode L or RGB; transparency on white; 16 bits become 8; wider pixels are refused."""
    if image.mode.startswith("I") or image.mode == "F":
        image = _eight_bits(image, white)
    if image.has_transparency_data:
        colored = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(ground, colored).convert(mode)
    return image.convert(mode)


def _eight_bits(image: Image.Image, white: int) -> Image.Image:
    values = np.asarray(image)
    if image.mode == "F" or values.min() < 0 or values.max() > 65_535:
        raise ValueError("32-bit pixels have no common range; save it with 8 or 16 bits")
    return Image.fromarray(np.round(np.minimum(values, white) / (white / 255)).astype(np.uint8))
