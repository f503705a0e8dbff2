"""Where the metrics of several workers meet: a folder in memory in which prometheus_client keeps a few files each."""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import IO

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
PREFIX = "imageretrieval-metrics-"
LOCK = "lock"
# Not on a disk: the files are mapped into memory, and writing to them with no space left would end the process.
MEMORY = Path("/dev/shm")  # noqa: S108  # mkdtemp makes a folder that nobody else can open

_held: list[IO[str]] = []


def open_folder() -> Path:
    """A new folder, which metrics of this process and its children are kept in; to be called before they are imported.

    It is locked while one of them lives, by which those of services that were killed are known, and removed here.
    """
    root = MEMORY if os.access(MEMORY, os.W_OK) else Path(tempfile.gettempdir())
    for folder in root.glob(f"{PREFIX}*"):
        _remove_if_left(folder)
    made = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
    _held.append((made / LOCK).open("w"))
    fcntl.flock(_held[-1], fcntl.LOCK_EX)
    os.environ[VARIABLE] = str(made)
    return made


def forget(pid: int) -> None:
    """What a process that has ended counted stays counted, but it no longer waits for, holds or serves anything."""
    from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415  # looks at VARIABLE when imported

    mark_process_dead(pid)  # type: ignore[no-untyped-call]


def close() -> None:
    """Removes the folder."""
    shutil.rmtree(os.environ.pop(VARIABLE), ignore_errors=True)


def _remove_if_left(folder: Path) -> None:
    try:
        with (folder / LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
    except OSError:  # it is in use, just being made, or another user's
        return
