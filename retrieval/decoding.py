"""Bytes of a picture file -> pixels, in this process. Every limit is judged before anything large is allocated.

Of several frames or pages the first counts (of a HEIF file, the primary one); the others are not decoded.
"""

import re
import warnings
from dataclasses import dataclass
from io import BytesIO
from time import monotonic
from typing import Any

from PIL import Image, ImageFile

from retrieval.errors import BadImage, PictureTooLarge
from retrieval.formats import refusal
from retrieval.headers import check_header, webp_size
from retrieval.pixels import upright_rgb

# Of a JPEG, the most there can be. One pixel wide and millions high, a PNG takes a hundred times as long as others.
MAX_SIDE = 65_535
TILE = (322, 323)  # TIFF tags: width and height of a tile
QUIET = ("ignore", None, Warning, re.compile(r"(PIL|pillow_heif)\."), 0)


@dataclass(frozen=True)
class Bounds:
    """What a file may be and cost: one of `formats`, `max_pixels` wide times high, `seconds` of decoding."""

    formats: tuple[str, ...]
    max_pixels: int
    seconds: float


class TookTooLong(BadImage):
    """Decoding was given up."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The picture takes more than {seconds:g} seconds to decode; save it again as a JPEG or PNG.")


class TimedFile(BytesIO):
    """A file in memory that can be read for so many seconds. Reading it later raises TookTooLong."""

    def __init__(self, data: bytes, seconds: float) -> None:
        super().__init__(data)
        self._seconds = seconds
        self.restart()

    def restart(self) -> None:
        """The time begins anew: decoding does not pay for what opening waited for."""
        self._until = monotonic() + self._seconds

    def read(self, size: int | None = -1, /) -> bytes:
        if monotonic() > self._until:
            raise TookTooLong(self._seconds)
        return super().read(size)


class OpenFile:
    """A file with its header read and found within the bounds. Raises BadImage, PictureTooLarge when made."""

    def __init__(self, data: bytes, bounds: Bounds) -> None:
        check_header(data)
        check_pixels(webp_size(data), bounds.max_pixels)
        _hush_pillow()
        self._bounds = bounds
        self._file = TimedFile(data, bounds.seconds)
        self._opened = self._open(data)
        # MPO: a phone's JPEG with more behind it.
        self.format = "JPEG" if self._opened.format == "MPO" else str(self._opened.format)
        self.size = self._opened.size
        check_pixels(self.size, bounds.max_pixels)
        check_pixels(_tile(self._opened), bounds.max_pixels)

    def reduce(self, side: int) -> None:
        """Where that saves work, as it does of a JPEG, `load` gives the picture smaller: at least `side` a side."""
        self._opened.draft(None, (side, side))

    def load(self) -> Image.Image:
        """The picture, upright and in RGB. Raises BadImage, PictureTooLarge."""
        self._file.restart()
        try:
            self._opened.load()
            image = upright_rgb(self._opened)
        except TookTooLong:
            raise
        # Pillow's decoders raise whatever their parsing ran into: OSError, SyntaxError, struct.error, zlib.error,
        # IndexError, OverflowError, MemoryError, ... All mean the same here, and no other error of ours comes from it.
        except Exception as error:
            raise BadImage(f"The {self.format} file is damaged or cut short; send the complete file.") from error
        check_pixels(image.size, self._bounds.max_pixels)  # pillow_heif lets it differ from the header's
        return image

    def _open(self, data: bytes) -> ImageFile.ImageFile:
        try:
            return Image.open(self._file, formats=self._bounds.formats)
        except TookTooLong:
            raise
        except Exception as error:  # as in load
            raise refusal(data, self._bounds.formats) from error


def check_pixels(size: tuple[int, int], limit: int) -> None:
    """Raises PictureTooLarge."""
    width, height = size
    if max(size) > MAX_SIDE:
        raise PictureTooLarge(f"The picture is {width} x {height} pixels; at most {MAX_SIDE:,} a side are accepted.")
    if width * height > limit:
        raise PictureTooLarge(f"The picture is {width} x {height} pixels; at most {limit:,} in all are accepted.")


def _hush_pillow() -> None:
    """Keep Pillow's remarks on odd metadata out of the log, and from being errors where warnings are.

    A lasting filter, as catch_warnings would race with other threads; set here, as pytest resets filters for each test.
    """
    if QUIET not in warnings.filters:
        warnings.filterwarnings("ignore", module=QUIET[3].pattern)


def _tile(opened: ImageFile.ImageFile) -> tuple[int, int]:
    """Size of a TIFF file's tiles: one is decoded as a whole, however small the picture cut from it."""
    tags: Any = getattr(opened, "tag_v2", {})
    width, height = (tags.get(tag, 0) for tag in TILE)
    return (width, height) if isinstance(width, int) and isinstance(height, int) else (0, 0)
