"""Bytes of a picture file -> Picture: upright 8-bit RGB, with digests of the file and of its pixels."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from PIL import Image

from retrieval.content import is_indeterminate
from retrieval.decoders import DECODERS
from retrieval.decoding import Bounds, OpenFile
from retrieval.errors import BadImage, PictureTooLarge
from retrieval.formats import ONE_CALL, ORDER, begins_like
from retrieval.settings import InputSettings

STRIP_PIXELS = 1 << 16  # stays in the processor's cache while it is hashed


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded picture and what is remembered of its file."""

    image: Image.Image  # mode RGB, EXIF orientation applied
    sha256: str  # of the bytes as given
    width: int
    height: int
    format: str  # one of ORDER
    size: int  # bytes as given

    @cached_property
    def pixels_sha256(self) -> str:
        """Of "WIDTHxHEIGHT:" and the RGB bytes, row by row: the same for any lossless file of these pixels.

        Made when asked for, since it takes a millisecond for every megabyte of pixels.
        """
        return _pixels_sha256(self.image)

    @cached_property
    def indeterminate(self) -> bool:
        """Whether there is too little in it for its vector to say anything."""
        return is_indeterminate(self.image)


@dataclass(frozen=True, eq=False)
class Undecoded:
    """A file of which the header is read and found within the limits."""

    data: bytes
    format: str
    pixels: int  # by the header
    _load: Callable[[], Image.Image]

    def decode(self, sha256: str | None = None) -> Picture:
        """`sha256` is of the data, where it is known already. Raises BadImage, PictureTooLarge."""
        image = self._load()
        digest = sha256 or hashlib.sha256(self.data).hexdigest()
        return Picture(image, digest, image.width, image.height, self.format, len(self.data))


def decode(data: bytes, limits: InputSettings) -> Picture:
    """The picture in `data`, a whole file. Raises BadImage, and PictureTooLarge before anything large is allocated."""
    with undecoded(data, limits) as file:
        return file.decode()


@contextmanager
def undecoded(data: bytes, limits: InputSettings) -> Iterator[Undecoded]:
    """The file in `data`, to be decoded within the block. Raises BadImage, PictureTooLarge."""
    if not data:
        raise BadImage("The picture is empty (0 bytes); send the whole file.")
    if len(data) > limits.max_bytes:
        raise PictureTooLarge(f"The picture has {len(data):,} bytes; at most {limits.max_bytes:,} are accepted.")
    bounds = Bounds(tuple(name for name in ORDER if name in limits.formats), limits.max_pixels, limits.decode_timeout_s)
    if begins_like(data, ONE_CALL) is None:
        file = OpenFile(data, bounds)
        yield Undecoded(data, file.format, file.size[0] * file.size[1], file.load)
        return
    with DECODERS.one() as decoder:
        name, (width, height) = decoder.open(data, bounds)
        yield Undecoded(data, name, width * height, decoder.load)


def _pixels_sha256(image: Image.Image) -> str:
    digest = hashlib.sha256(f"{image.width}x{image.height}:".encode())
    rows = max(1, STRIP_PIXELS // max(1, image.width))
    for top in range(0, image.height, rows):
        digest.update(image.crop((0, top, image.width, min(top + rows, image.height))).tobytes())
    return digest.hexdigest()
