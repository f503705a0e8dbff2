"""The pictures of a delivery: a folder and what is below it."""

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ENDINGS = {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib"}
ENDINGS |= {".tif", ".tiff", ".avif", ".heic", ".heif"}
# How pictures begin, whatever their names are.
BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*")


@dataclass(frozen=True)
class DeliveryFile:
    """A picture file. `id` is its path within the delivery, with slashes."""

    id: str
    path: Path


def delivered(folder: Path, onerror: Callable[[OSError], None]) -> Iterator[DeliveryFile]:
    """Every picture file below a folder, by name or by how it begins, in a stable order.

    Links are not followed: what they lead to is no part of the delivery. They, and what cannot be looked into, are told
    to `onerror`. One folder's names are in memory at a time.
    """
    for place, below, names in os.walk(folder, onerror=onerror):
        below.sort()
        for name in sorted([*names, *(each for each in below if Path(place, each).is_symlink())]):
            path = Path(place, name)
            if _is_picture(path, onerror):
                yield DeliveryFile(path.relative_to(folder).as_posix(), path)


def _is_picture(path: Path, onerror: Callable[[OSError], None]) -> bool:
    try:
        if path.is_symlink():
            raise OSError(errno.ELOOP, "a link, which is not followed", str(path))
        if not path.is_file():  # a pipe, say, would be waited for
            raise OSError(errno.EINVAL, "no file", str(path))
        return path.suffix.lower() in ENDINGS or _begins_like_one(path)
    except OSError as error:
        onerror(error)
        return False


def _begins_like_one(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(12)
    return start.startswith(BEGINNINGS) or start[4:8] == b"ftyp" or (start[:4] == b"RIFF" and start[8:] == b"WEBP")
