"""Pictures as programs give them, and how they go into requests."""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from client.errors import UnreadableFile

BLOCK = 64 * 1024


@dataclass(frozen=True)
class Url:
    """A picture that the service shall fetch itself."""

    url: str


Picture = Path | str | bytes | Url  # a file's path, an encoded picture, or where the service finds one


@dataclass(frozen=True)
class Stored:
    """A picture that the service holds, for a comparison."""

    id: str
    collection: str | None = None


@dataclass(frozen=True)
class Ready:
    """A picture of a call: its place there, its size in bytes (0 of a Url), and what goes beside it."""

    index: int
    picture: Picture
    size: int
    item: dict[str, Any]

    @property
    def is_url(self) -> bool:
        return isinstance(self.picture, Url)


def size_of(picture: Picture) -> int:
    """Bytes that it takes in a request; a file is opened, for a moment. Raises UnreadableFile, TypeError."""
    if isinstance(picture, Url):
        return 0
    if isinstance(picture, bytes):
        return len(picture)
    if not isinstance(picture, str | Path):
        raise TypeError(f"a picture is a Path, a str (a file's path), bytes or a Url, not {type(picture).__name__}")
    with _opened(picture) as file:
        return os.fstat(file.fileno()).st_size


def blocks(picture: Path | str | bytes, size: int) -> Iterator[bytes]:
    """Its bytes, exactly `size` of them, never many at once. Raises UnreadableFile, also if there are not so many."""
    if isinstance(picture, bytes):
        yield picture
        return
    with _opened(picture) as file:
        if os.fstat(file.fileno()).st_size != size:
            raise UnreadableFile(str(picture), "has changed while it was sent")
        left = size
        while left:
            block = _read(file, min(BLOCK, left), picture)
            left -= len(block)
            yield block


def name_of(picture: Picture) -> str:
    """A file's name as the service gets to know it, in UTF-8 whatever it is on the disk; "" of bytes."""
    if isinstance(picture, bytes | Url):
        return ""
    return Path(picture).name.encode(errors="replace").decode()


def split(pictures: Sequence[Ready], most: int, most_bytes: int) -> Iterator[list[Ready]]:
    """Runs of neighbours that go in one request: all of them URLs or none, at most so many, of so many bytes."""
    group: list[Ready] = []
    for each in pictures:
        full = len(group) == most or sum(other.size for other in group) + each.size > most_bytes
        if group and (full or group[0].is_url != each.is_url):
            yield group
            group = []
        group.append(each)
    if group:
        yield group


def _opened(path: Path | str) -> BinaryIO:
    """A regular file; neither a pipe nor a device, which might keep us for ever."""
    try:
        file: BinaryIO = open(path, "rb", buffering=0, opener=_without_waiting)  # noqa: SIM115
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        hint = "; for a picture on the web give Url(...)" if "://" in str(path) else ""
        raise UnreadableFile(str(path), f"{getattr(error, 'strerror', None) or error}{hint}") from None
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise UnreadableFile(str(path), "is no regular file")
    return file


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _read(file: BinaryIO, size: int, path: Path | str) -> bytes:
    try:
        block = file.read(size)
    except OSError as error:
        raise UnreadableFile(str(path), error.strerror or str(error)) from None
    if not block:
        raise UnreadableFile(str(path), "has changed while it was sent")
    return block
