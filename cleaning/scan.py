"""Folders -> picture files, one folder's names in memory at a time. Symbolic links are not followed: nothing loops."""

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cleaning.companions import Names, Unit
from reports.folder import MARK, is_report
from retrieval.endings import ENDINGS

QUARANTINE = ".imageretrieval-quarantine"  # where removed copies go
Tell = Callable[[str, str], None]  # takes a path and why it could not be looked at


@dataclass(frozen=True, slots=True)
class Found:
    """A picture file. `links` are the names that its inode has, anywhere."""

    path: str
    size: int
    mtime_ns: int
    device: int
    inode: int
    links: int
    unit: Unit

    @property
    def stamp(self) -> tuple[int, int, int]:
        """While this stays the same, so does the content."""
        return self.size, self.mtime_ns, self.inode

    @property
    def identity(self) -> tuple[int, int]:
        """The same for all names of one inode."""
        return self.device, self.inode


def roots(folders: Sequence[str | os.PathLike[str]]) -> list[str]:
    """The folders by their real paths, without those that lie in others, each once, in their order."""
    real = list(dict.fromkeys(os.path.realpath(folder) for folder in folders))
    return [path for path in real if not any(path != other and is_below(path, other) for other in real)]


def is_below(path: str, folder: str) -> bool:
    """Whether a real path is the folder, or anywhere in it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def scan(folders: Sequence[str], tell: Tell, leave: Sequence[str] = ()) -> Iterator[Found]:
    """Every picture file below `folders`, as `roots` gives them, but for what lies in the folders `leave`.

    In a stable order. What cannot be read is told.
    """
    seen: set[tuple[int, int]] = set()
    waiting = list(reversed(folders))
    while waiting:
        folder = waiting.pop()
        if os.path.basename(folder) == QUARANTINE or folder in leave:  # noqa: PTH119  # may not be UTF-8, and is hot
            continue
        below, pictures = _entries(folder, tell, seen)
        yield from pictures
        waiting += reversed(below)


def _entries(folder: str, tell: Tell, seen: set[tuple[int, int]]) -> tuple[list[str], list[Found]]:
    """Sub-folders and pictures of a folder; nothing of one that was seen before, as bind mounts may show one twice."""
    try:
        facts = os.stat(folder)  # noqa: PTH116
        if (facts.st_dev, facts.st_ino) in seen:
            return [], []
        seen.add((facts.st_dev, facts.st_ino))
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        tell(folder, error.strerror or str(error))
        return [], []
    if any(entry.name == MARK for entry in entries) and is_report(Path(folder)):
        tell(folder, "a report of this program: not searched")  # its thumbnails are copies of everything
        return [], []
    below = [entry.path for entry in entries if _is(entry, tell, os.DirEntry.is_dir)]
    files = [entry for entry in entries if _is(entry, tell, os.DirEntry.is_file)]
    pictures = [entry for entry in files if os.path.splitext(entry.name)[1].lower() in ENDINGS]  # noqa: PTH122
    names = Names((entry.name for entry in files), (entry.name for entry in pictures))
    return below, [found for entry in pictures if (found := _found(entry, names, tell))]


def _is(entry: "os.DirEntry[str]", tell: Tell, what: Callable[..., bool]) -> bool:
    try:
        return what(entry, follow_symlinks=False)
    except OSError as error:
        tell(entry.path, error.strerror or str(error))
        return False


def _found(entry: "os.DirEntry[str]", names: Names, tell: Tell) -> Found | None:
    try:
        facts = entry.stat(follow_symlinks=False)
    except OSError as error:
        tell(entry.path, error.strerror or str(error))
        return None
    return found_of(entry.path, facts, names.of(entry.name))


def found_of(path: str, facts: os.stat_result, unit: Unit) -> Found:
    """A file by what the system says of it. Raises OSError where it is no regular file."""
    if not stat.S_ISREG(facts.st_mode):
        raise OSError(f"{path!r} is no file")
    return Found(path, facts.st_size, facts.st_mtime_ns, facts.st_dev, facts.st_ino, facts.st_nlink, unit)
