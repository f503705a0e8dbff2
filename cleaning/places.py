"""Reaching a file folder by folder: no symbolic link is followed on the way, and no path is too long.

Only a plan's folders themselves may be reached through links, since people name them so.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

QUARANTINE = ".imageretrieval-quarantine"  # in a plan's folder, or where another file system begins below it
Inode = tuple[int, int]


class Refused(Exception):
    """Nothing is done to a file; the message is the reason, for people."""


@dataclass(frozen=True)
class Folder:
    """An open folder. mount: the highest folder on the way to it that is on its file system.

    listable: whether we may read it, and so sync it; one that we may not can still be passed through and written to.
    """

    fd: int
    path: str
    mount: str
    protected: bool
    listable: bool = True


@dataclass(frozen=True)
class Entry:
    """A name in an open folder; there may be nothing of that name."""

    folder: Folder
    name: str

    @property
    def path(self) -> str:
        return f"{self.folder.path.rstrip('/')}/{self.name}"

    def stat(self) -> os.stat_result | None:
        """Of the name itself, also where it is a link; None where there is nothing. Raises OSError."""
        try:
            return os.stat(self.name, dir_fd=self.folder.fd, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def inode(self) -> Inode | None:
        found = self.stat()
        return (found.st_dev, found.st_ino) if found else None

    def unlink(self) -> None:
        os.unlink(self.name, dir_fd=self.folder.fd)


class Roots:
    """The folders of a plan, and which of what is below them is never touched."""

    def __init__(self, folders: Iterable[str], protected: Sequence[str] = ()) -> None:
        self._protected = tuple(protected)
        self._roots = sorted({*folders, *protected}, key=len, reverse=True)
        self._shielded = {found for each in protected if (found := _inode(each))}

    def hold(self, path: str) -> bool:
        """Whether it lies below one of the folders."""
        return any(_is_below(path, each) for each in self._roots)

    @contextmanager
    def entry(self, path: str, make: bool = False) -> Iterator[Entry]:
        """A file's place, its folder opened, or made where it is missing. Raises Refused, OSError."""
        parent, _, name = path.rpartition("/")
        with self.folder(parent or "/", make) as folder:
            yield Entry(folder, name)

    @contextmanager
    def folder(self, path: str, make: bool = False) -> Iterator[Folder]:
        """Raises Refused, OSError."""
        root = next((each for each in self._roots if path == each or _is_below(path, each)), "/")
        folder = self._opened(root)
        try:
            for name in PurePosixPath(path).relative_to(root).parts:
                below = self._step(folder, name, make)
                os.close(folder.fd)
                folder = below
            yield folder
        finally:
            os.close(folder.fd)

    def _opened(self, root: str) -> Folder:
        real = Path(os.path.realpath(root))
        above = any(_inode(str(each)) in self._shielded for each in (real, *real.parents))
        lexically = any(root == each or _is_below(root, each) for each in self._protected)
        fd = os.open(real, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        return Folder(fd, root, root, above or lexically)

    def _step(self, above: Folder, name: str, make: bool) -> Folder:
        path = f"{above.path.rstrip('/')}/{name}"
        fd, listable = _descend(above.fd, name, path, make)
        try:
            here, there = os.fstat(fd), os.fstat(above.fd)
            shielded = (here.st_dev, here.st_ino) in self._shielded or path in self._protected
        except OSError:
            os.close(fd)
            raise
        mount = above.mount if here.st_dev == there.st_dev else path
        return Folder(fd, path, mount, above.protected or shielded, listable)


def _descend(above: int, name: str, path: str, make: bool) -> tuple[int, bool]:
    if make:
        make_folder(above, name)
    flags = os.O_DIRECTORY | os.O_NOFOLLOW
    try:
        return os.open(name, os.O_RDONLY | flags, dir_fd=above), True
    except PermissionError:
        return os.open(name, os.O_PATH | flags, dir_fd=above), False
    except NotADirectoryError:
        found = os.stat(name, dir_fd=above, follow_symlinks=False)
        what = "a symbolic link" if (found.st_mode & 0o170000) == 0o120000 else "no folder"
        raise Refused(f"{path} is {what}") from None


def make_folder(above: int, name: str) -> None:
    """Unless it is there. The time of the folder above stays: what we make for ourselves concerns nobody."""
    before = os.fstat(above)
    try:
        os.mkdir(name, 0o700 if name == QUARANTINE else 0o777, dir_fd=above)
    except FileExistsError:
        return
    put_time(above, before.st_mtime_ns)
    os.fsync(above)


def remove_folder(above: int, name: str) -> None:
    """Unless something is in it; the time of the folder above stays."""
    before = os.fstat(above)
    with suppress(OSError):
        os.rmdir(name, dir_fd=above)
        put_time(above, before.st_mtime_ns)


def put_time(fd: int, mtime_ns: int) -> bool:
    """Whether a folder's time could be set; it cannot where the folder is not ours."""
    found = os.fstat(fd)
    try:
        if found.st_mtime_ns != mtime_ns:
            os.utime(fd, ns=(found.st_atime_ns, mtime_ns))
    except OSError:
        return False
    return True


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip("/") + "/")


def _inode(path: str) -> Inode | None:
    try:
        found = Path(path).stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino
