"""A file as it is at this moment, read whole and held to what a plan says of it."""

import hashlib
import os
import stat
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from cleaning.linux import hold_writers_off
from cleaning.places import Entry, Inode, Refused, Roots
from cleaning.plan import PlannedFile


@dataclass(frozen=True)
class Seen:
    """An open file whose bytes are those of the plan, and where it is."""

    entry: Entry
    fd: int
    stat: os.stat_result
    sha256: str

    @property
    def inode(self) -> Inode:
        return self.stat.st_dev, self.stat.st_ino

    def check_still(self) -> None:
        """Raises Refused unless the name leads to the file that was read, and nobody wrote to it since."""
        found = self.entry.stat()
        if found is None or _marks(found) != _marks(self.stat):
            raise Refused(f"{self.entry.path} was changed while it was looked at")

    def xattrs(self) -> dict[str, str]:
        """Its extended attributes (access lists, too) in base64; empty where the file system has none."""
        try:
            return {name: b64encode(os.getxattr(self.fd, name)).decode() for name in os.listxattr(self.fd)}
        except OSError:
            return {}


@contextmanager
def verified(roots: Roots, planned: PlannedFile) -> Iterator[Seen]:
    """The file of a plan, read just now; held open, and others kept from writing to it, where that is possible.

    Raises Refused where it is not as in the plan.
    """
    if not roots.hold(planned.path):
        raise Refused(f"{planned.path} is in none of the plan's folders")
    with ExitStack() as held:
        with _told(planned.path):
            entry = held.enter_context(roots.entry(planned.path))
            fd = opened(entry)
            held.callback(os.close, fd)
            seen = _read(entry, fd, planned)
        yield seen


def opened(entry: Entry) -> int:
    """For reading; no link is followed, no device or pipe waited for. Raises OSError."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        return os.open(entry.name, flags | os.O_NOATIME, dir_fd=entry.folder.fd)
    except PermissionError:
        return os.open(entry.name, flags, dir_fd=entry.folder.fd)  # not ours: the time of access changes


def digest(fd: int) -> str:
    """SHA-256 of a whole open file. Raises OSError."""
    with os.fdopen(os.dup(fd), "rb", buffering=0) as file:
        file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(entry: Entry, fd: int, planned: PlannedFile) -> Seen:
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        raise Refused(f"{entry.path} is no regular file")
    if found.st_size != planned.size:
        raise Refused(f"{entry.path} has {found.st_size:,} bytes, in the plan {planned.size:,}")
    if not hold_writers_off(fd):
        raise Refused(f"{entry.path} is open for writing in another program")
    if digest(fd) != planned.sha256:
        raise Refused(f"{entry.path} has other bytes than in the plan")
    seen = Seen(entry, fd, found, planned.sha256)
    seen.check_still()
    return seen


@contextmanager
def _told(path: str) -> Iterator[None]:
    """What the operating system says of a path, said as a reason."""
    try:
        yield
    except (OSError, UnicodeEncodeError) as error:
        raise Refused(f"{path}: {reason(error)}") from None


def reason(error: Exception) -> str:
    """In words, without numbers."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _marks(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
