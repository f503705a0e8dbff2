"""The disk: how much of it must stay free, and what its lack looks like."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from index_store.errors import StorageFull

# A full disk, a quota that is used up, and the limit of a process on the size of its files.
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class Reserve:
    """`least` bytes stay free of what is added, so that deletes, and what is under way, always have room."""

    least: int = 0

    def check(self, folder: Path, needed: int = 0) -> None:
        """Raises StorageFull where the disk of `folder` would have less than `least` bytes left besides `needed`.

        The message goes to clients, so it names no folder.
        """
        free = shutil.disk_usage(folder).free
        if free < self.least + needed:
            wanted = f"{needed:,} are needed and " if needed else ""
            raise StorageFull(
                f"the disk of the data folder has {free:,} bytes free, {wanted}{self.least:,} must stay free "
                "(catalog.min_free_bytes): make room on it and try again; searches go on meanwhile"
            )


@contextmanager
def told_if_full(path: Path) -> Iterator[None]:
    """Raises StorageFull in place of the OSError that says that there is no room to write at `path`."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise StorageFull(
            f"no room to write {path.name}: {error.strerror}; make room on the disk and try again"
        ) from error
