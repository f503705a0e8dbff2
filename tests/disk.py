"""Disks that are full: a small file system of its own where that is permitted, or no right to write another byte."""

import os
import resource
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

PATIENCE_S = 20.0


@contextmanager
def no_room(pids: Iterable[int] = (0,), limit: int = 0) -> Iterator[None]:
    """Meanwhile this process, or others, can write no file beyond so many bytes, as over a quota that is used up."""
    held = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in pids}
    for pid, (_, hard) in held.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        for pid, limits in held.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


class Limited:
    """A folder in which some processes cannot write while it is full."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def full(self, pids: Iterable[int]) -> AbstractContextManager[None]:
        """For these, and for what they start meanwhile."""
        return no_room(pids)


class Mounted:
    """A real file system of a few megabytes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def full(self, _pids: Iterable[int] = ()) -> Iterator[None]:
        """To the last byte, for everybody."""
        filler = self.folder / "filler"
        with filler.open("wb", buffering=0) as file:
            for size in (1 << 16, 1 << 12, 1):
                _write_all(file.fileno(), b"x" * size)
        try:
            yield
        finally:
            filler.unlink()


@contextmanager
def mounted(folder: Path, megabytes: int) -> Iterator[Mounted | None]:
    """None where this machine does not let us mount."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        yield None
        return
    try:
        yield Mounted(folder)
    finally:
        _unmount(folder)


def _unmount(folder: Path) -> None:
    """Once the last of the processes that were killed has let go of it."""
    until = time.monotonic() + PATIENCE_S
    while (left := subprocess.run(["umount", str(folder)], check=False, capture_output=True, text=True)).returncode:
        assert time.monotonic() < until, left.stderr
        time.sleep(0.05)


def _write_all(descriptor: int, block: bytes) -> None:
    try:
        while os.write(descriptor, block):
            pass
    except OSError:
        return
