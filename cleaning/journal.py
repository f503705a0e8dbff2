"""A journal: what was done to which file, on the disk before it is done. It says how to go on, and how to take back."""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Self

from cleaning.places import Roots
from cleaning.records import (
    Done,
    Dropping,
    Emptied,
    Event,
    Header,
    Intent,
    Place,
    Record,
    Undoing,
    Undone,
    from_line,
    to_line,
)

Stage = Literal["begun", "dropping", "done", "undoing", "emptied"]


class JournalError(Exception):
    """A file is no journal, is damaged, in use, or cannot be written."""


@dataclass(frozen=True)
class Unit:
    """A copy and its companions: what is done to them together, and how far that is.

    folders: what the times of the folders are where nobody else changed them since, or are to become (`undoing`).
    """

    intent: Intent
    stage: Stage = "begun"
    folders: dict[str, int] = field(default_factory=dict)

    def after(self, event: Dropping | Done | Undoing | Emptied) -> "Unit":
        if isinstance(event, Dropping | Emptied):
            return replace(self, stage=event.event)
        return replace(self, stage=event.event, folders=event.folders)


class Journal:
    """One run's journal, locked. units: those that are not as they were before, in the order of their beginning."""

    def __init__(self, path: Path, fd: int, header: Header) -> None:
        self.path = path
        self.header = header
        self.units: dict[int, Unit] = {}
        self.places: dict[str, None] = {}
        self.roots = Roots(header.folders, header.protected)
        self._fd = fd
        self._end = 0

    @classmethod
    @contextmanager
    def open(cls, path: Path, new: Header | None = None) -> Iterator[Self]:
        """One that is there, or, with `new`, one that is made. Raises JournalError, OSError."""
        fd = _opened(path, create=new is not None)
        try:
            _lock(fd, path)
            yield cls._read(path, fd, new)
        finally:
            os.close(fd)

    @classmethod
    def _read(cls, path: Path, fd: int, new: Header | None) -> Self:
        with os.fdopen(os.dup(fd), "rb") as file:
            lines = [line for line in file if line.endswith(b"\n")]  # the last may be torn
        records = [_parsed(path, number, line) for number, line in enumerate(lines, 1)]
        header = records[0] if records else new
        if not isinstance(header, Header):
            raise JournalError(f"{path} is not a journal of this program")
        if new and header.run != new.run:
            raise JournalError(f"{path} is the journal of another run ({header.run})")
        journal = cls(path, fd, header)
        journal._end = sum(map(len, lines))
        for number, record in enumerate(records[1:], 2):
            if not journal._take(record):
                raise JournalError(f"{path} is damaged in line {number}: out of order")
        if not records:
            journal._append(header)
            _sync_folder(path.parent)
        return journal

    def write(self, event: Event) -> None:
        """On the disk when this returns. Raises JournalError: then it is as if it had not been written."""
        self._append(event)
        self._take(event)

    def remove(self) -> None:
        """Of a run that left nothing. Raises OSError."""
        self.path.unlink()

    def _append(self, record: Record) -> None:
        line = to_line(record)
        try:
            os.ftruncate(self._fd, self._end)  # what a killed process left of a line
            if os.pwrite(self._fd, line, self._end) != len(line):
                raise OSError("no room for another line")
            os.fsync(self._fd)
        except OSError as error:
            raise JournalError(f"{self.path} cannot be written: {error.strerror or error}") from None
        self._end += len(line)

    def _take(self, event: Record) -> bool:
        """Whether it makes sense where it comes."""
        match event:
            case Place():
                self.places[event.path] = None
            case Intent() if event.unit not in self.units:
                self.units[event.unit] = Unit(event)
            case Undone() if event.unit in self.units:
                del self.units[event.unit]
            case Dropping() | Done() | Undoing() | Emptied() if event.unit in self.units:
                self.units[event.unit] = self.units[event.unit].after(event)
            case _:
                return False
        return True


def _opened(path: Path, create: bool) -> int:
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | (os.O_CREAT if create else 0)
    fd = os.open(path, flags, 0o600)
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode) or found.st_uid not in (0, os.geteuid()):
        os.close(fd)  # whoever wrote it could have us move any file anywhere
        raise JournalError(f"{path} is no regular file, or another user's")
    return fd


def _lock(fd: int, path: Path) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        current, ours = path.stat(), os.fstat(fd)
    except BlockingIOError:
        raise JournalError(f"{path} is in use: another run acts on it") from None
    if (current.st_dev, current.st_ino) != (ours.st_dev, ours.st_ino):
        raise JournalError(f"{path} was replaced just now; try again")


def _parsed(path: Path, number: int, line: bytes) -> Record:
    try:
        record: Record = from_line(line)
    except ValueError as error:
        what = "is not a journal of this program" if number == 1 else f"is damaged in line {number}"
        raise JournalError(f"{path} {what}: {str(error).splitlines()[0]}") from None
    return record


def _sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
