"""One run at a time in a folder and all below it: two plans may each keep what the other removes."""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cleaning.places import Inode


class InUse(Exception):
    """Another run acts on the same files."""


@contextmanager
def alone_in(folders: Iterable[str]) -> Iterator[None]:
    """Locks the folders themselves (flock), and every folder above them for sharing. Raises InUse, OSError.

    So runs meet whose folders are the same, or one in the other, under whatever names; neighbours do not.
    Passed over are folders that are not there or on a file system without locks, and those above that we may not read.
    """
    real = {Path(os.path.realpath(each)) for each in folders}
    above = {each for folder in real for each in folder.parents} - real
    with ExitStack() as held:
        taken: set[Inode] = set()
        for path in sorted(real):
            _take(held, taken, path, fcntl.LOCK_EX)
        for path in sorted(above):
            _take(held, taken, path, fcntl.LOCK_SH)
        yield


def _take(held: ExitStack, taken: set[Inode], path: Path, kind: int) -> None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except (OSError, UnicodeEncodeError):
        return
    held.callback(os.close, fd)
    found = os.fstat(fd)
    if (found.st_dev, found.st_ino) in taken:
        return
    taken.add((found.st_dev, found.st_ino))
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InUse(f"{path} is in use: another run acts in it, or below it") from None
    except OSError:
        return
