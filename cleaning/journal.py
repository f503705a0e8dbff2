"""A journal: what was done to which file, on the disk before it is done. It says how to go on, and how to take back."""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Self

from cleaning.locking import InUse, alone_in
from cleaning.places import QUARANTINE, Roots
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
        self._owed = b""  # lines that there was no room for

    @classmethod
    @contextmanager
    def open(cls, path: Path, new: Header | None = None) -> Iterator[Self]:
        """One that is there, or, with `new`, one that is made. Raises JournalError, OSError."""
        with ExitStack() as held:
            if new:
                held.enter_context(_alone(new))
            fd = _opened(path, create=new is not None)
            held.callback(os.close, fd)
            _lock(fd, path)
            journal = cls._read(path, fd, new)
            if not new:
                held.enter_context(_alone(journal.header))
            yield journal

    @classmethod
    def _read(cls, path: Path, fd: int, new: Header | None) -> Self:
        with os.fdopen(os.dup(fd), "rb") as file:
            content = list(file)
        lines = [line for line in content if line.endswith(b"\n")]  # the last may be torn
        if not lines:
            _check_beginning(path, b"".join(content), new)
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
            journal._begin()
        return journal

    def write(self, event: Event) -> None:
        """On the disk when this returns. Raises JournalError: then it is as if it had not been written."""
        self._append(event)
        self._take(event)

    def write_if_room(self, event: Undoing | Undone) -> None:
        """What is taken back may be taken back again, and makes room: without any, the line waits for the next one."""
        self._owed += to_line(event)
        with suppress(JournalError):
            self._append()
        self._take(event)

    def remove(self) -> None:
        """Of a run that left nothing. Raises OSError."""
        self.path.unlink()

    def _begin(self) -> None:
        try:
            self._append(self.header)
        except JournalError:
            self.remove()  # an empty one would say nothing
            raise
        _sync_folder(self.path.parent)

    def _append(self, *records: Record) -> None:
        line = self._owed + b"".join(map(to_line, records))
        try:
            os.ftruncate(self._fd, self._end)  # what a killed process left of a line
            if os.pwrite(self._fd, line, self._end) != len(line):
                raise OSError("no room for another line")
            os.fsync(self._fd)
        except OSError as error:
            told = f"{self.path} cannot be written: {error.strerror or error}"
            raise JournalError(f"{told}; make room and go on, or take back what was done (--undo)") from None
        self._end += len(line)
        self._owed = b""

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


@contextmanager
def _alone(header: Header) -> Iterator[None]:
    try:
        with alone_in((*header.folders, *header.protected)):
            yield
    except InUse as error:
        raise JournalError(str(error)) from None


def _check_beginning(path: Path, content: bytes, new: Header | None) -> None:
    """Of a file without a whole line: it is written to only where it is empty, or the torn beginning of this journal.

    Raises JournalError.
    """
    if new and not to_line(new).startswith(content):
        raise JournalError(f"{path} is not a journal of this program")
    if not new and not content:
        if path.parent.name == QUARANTINE:
            path.unlink()
        raise JournalError(f"{path} is empty: its run was not begun, and there is nothing to take back")


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
