"""A picture's bytes -> its thumbnail, a small JPEG file.

Not WebP: of 256 pixels, it saves a quarter of the bytes for eight times the time (docs/reports.md).
"""

import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

from PIL import Image

from retrieval.decoding import Bounds, OpenFile
from retrieval.errors import InputError, NoDecoder, PictureTooLarge
from retrieval.formats import begins_like
from retrieval.picture import undecoded
from retrieval.settings import InputSettings

SIDE = 256  # pixels of the longer side, at most
QUALITY = 70
GAP = 2.0  # how much larger than the thumbnail a picture may be decoded or shrunk to before it is filtered


class NoPicture(InputError):
    """There are no bytes to make a thumbnail of; the message says why."""


@dataclass(frozen=True)
class FileSource:
    """A file whose bytes are to be those of `sha256`, if that is known."""

    path: str
    sha256: str | None = None

    def read(self, limits: InputSettings) -> bytes:
        """Raises NoPicture, PictureTooLarge, OSError, and ValueError of a path that cannot be one."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe would be waited for
        with open(descriptor, "rb") as file:  # noqa: PTH123
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise NoPicture("It is no longer a file.")
            data = file.read(limits.max_bytes + 1)
        if len(data) > limits.max_bytes:
            raise PictureTooLarge(f"The file has more than {limits.max_bytes:,} bytes.")
        if self.sha256 and hashlib.sha256(data).hexdigest() != self.sha256:
            raise NoPicture("The file has changed since.")
        return data


@dataclass(frozen=True)
class CallSource:
    """Bytes that somebody else can get, such as a service: None where it has none. It may raise OSError."""

    call: Callable[[], bytes | None]

    def read(self, limits: InputSettings) -> bytes:
        """Raises NoPicture, PictureTooLarge, OSError."""
        data = self.call()
        if not data:
            raise NoPicture("No picture of it is kept.")
        if len(data) > limits.max_bytes:
            raise PictureTooLarge(f"The picture has more than {limits.max_bytes:,} bytes.")
        return data


Source = FileSource | CallSource


def thumbnail(data: bytes, limits: InputSettings) -> bytes:
    """A JPEG file of the picture, upright, on white, SIDE pixels at most. Raises BadImage, PictureTooLarge."""
    image = _decoded(data, limits)
    image.thumbnail((SIDE, SIDE), Image.Resampling.BICUBIC, reducing_gap=GAP)
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def _decoded(data: bytes, limits: InputSettings) -> Image.Image:
    if "JPEG" not in limits.formats or begins_like(data, ("JPEG",)) is None:
        with undecoded(data, limits) as opened:
            return opened.decode(sha256="").image  # nobody asks for it here
    file = OpenFile(data, Bounds(("JPEG",), limits.max_pixels, limits.decode_timeout_s))
    file.reduce(round(GAP * SIDE))
    return file.load()


def first_of(sources: tuple[Source, ...], limits: InputSettings) -> bytes:
    """The thumbnail of the first source that gives one. Raises NoPicture with what the last one said."""
    reason = "Nothing is known of where it is."
    for source in sources:
        try:
            return thumbnail(source.read(limits), limits)
        except (InputError, NoDecoder) as error:
            reason = str(error).partition(";")[0].rstrip(".") + "."  # what to send instead is for senders
        except OSError as error:
            reason = f"It cannot be read: {error.strerror or error}."
        except ValueError:  # a NUL, or half a surrogate pair
            reason = "No file can have this name."
    raise NoPicture(reason)
