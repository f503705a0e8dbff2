"""The file of an SQLite catalog: who has it open holds it, and notices when it is another one."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Self

from sqlalchemy import make_url

from index_store.errors import CatalogUnavailable

LOCK_SUFFIX = ".lock"
# SQLite makes a file of 32 KiB to read a catalog that nobody has open. The lock's file takes up that room while there
# is some, so that a service also starts over a disk that is full.
RESERVE = 1 << 17


class CatalogFile:
    """Held from the first to the last use of a catalog. Many hold it shared; who replaces it holds it alone."""

    def __init__(self, path: Path | None, alone: bool = False) -> None:
        """Of no path, for databases that are no file, holds nothing and never complains.

        Raises CatalogUnavailable where the file is held in another way, or the folder cannot be written.
        """
        self.path = path
        self._inode: tuple[int, int] | None = None
        self._lock = -1
        if path is not None:
            self._hold(path, alone)

    @classmethod
    def of(cls, url: str) -> Self:
        """Of the file of an SQLite URL, in a folder that exists."""
        path = file_of(url)
        return cls(path if path and path.parent.is_dir() else None)

    def _hold(self, path: Path, alone: bool) -> None:
        try:
            self._lock = os.open(f"{path}{LOCK_SUFFIX}", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise CatalogUnavailable(f"cannot be used: {error.strerror}", path) from error
        try:
            fcntl.flock(self._lock, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            users = "a service or a script has it open; stop that first" if alone else "a backup is being put back"
            raise CatalogUnavailable(f"cannot be used: {users}", path) from None

    def check_content(self) -> None:
        """Raises CatalogUnavailable where a catalog that was in use before has gone, or has lost all its bytes."""
        if self.path is None or self._lock < 0 or os.fstat(self._lock).st_size < RESERVE:
            return
        there = self.path.exists()
        if there and self.path.stat().st_size:
            return
        raise CatalogUnavailable(
            f"{'is empty' if there else 'is gone'}, and was not: put a backup back (docs/operations.md), or, to begin "
            f"anew, delete {'it and its' if there else 'its'} {LOCK_SUFFIX} file",
            self.path,
        )

    def remember(self) -> None:
        """Note which file it is, once it is open, and keep some room for the next time."""
        self._inode = self._now()
        if self._lock >= 0 and os.fstat(self._lock).st_size < RESERVE:
            with suppress(OSError):
                os.pwrite(self._lock, os.urandom(RESERVE), 0)

    def spend_reserve(self) -> None:
        """Give the room back to the disk: it is needed now."""
        if self._lock >= 0:
            os.ftruncate(self._lock, 0)

    def check(self) -> None:
        """Raises CatalogUnavailable where the path leads elsewhere by now: what is written would be lost."""
        if self._inode is not None and self._now() != self._inode:
            raise CatalogUnavailable(
                "was deleted or replaced while it was in use: put it back, or restart the service to go on with "
                "what is there now",
                self.path,
            )

    def close(self) -> None:
        """Let it go. May be called again."""
        if self._lock >= 0:
            os.close(self._lock)
        self._lock = -1

    def _now(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self.path or "")  # noqa: PTH116  # at each request: Path.stat takes twice as long
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino


def file_of(url: str) -> Path | None:
    """The file of an SQLite URL; None of another database, of one in memory, and of SQLite's own URIs."""
    parsed = make_url(url)
    plain = parsed.get_backend_name() == "sqlite" and parsed.database and parsed.database != ":memory:"
    return Path(parsed.database) if plain and parsed.database and not parsed.database.startswith("file:") else None
