"""The pictures of a delivery: a folder and what is below it."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

# The content decides what a picture is; other files are passed over in silence.
ENDINGS = {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib"}
ENDINGS |= {".tif", ".tiff", ".avif", ".heic", ".heif"}


@dataclass(frozen=True)
class DeliveryFile:
    """A picture file. `id` is its path within the delivery, with slashes."""

    id: str
    path: Path


def delivered(folder: Path, onerror: Callable[[OSError], None]) -> Iterator[DeliveryFile]:
    """Every picture file below a folder, in a stable order, one folder's names in memory at a time.

    Links to folders are not followed. What cannot be looked into is told to `onerror`.
    """
    for place, below, names in os.walk(folder, onerror=onerror):
        below.sort()
        for name in sorted(names):
            path = Path(place, name)
            if path.suffix.lower() in ENDINGS and _is_file(path, onerror):
                yield DeliveryFile(path.relative_to(folder).as_posix(), path)


def _is_file(path: Path, onerror: Callable[[OSError], None]) -> bool:
    """A pipe, say, would be waited for."""
    try:
        return path.is_file()
    except OSError as error:
        onerror(error)
        return False
