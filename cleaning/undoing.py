"""Taking back: each file to its place, each folder's time to what it was. It can be interrupted and repeated."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal

from cleaning.journal import Journal, Unit
from cleaning.linking import unlink_again
from cleaning.moving import move_back
from cleaning.places import Entry, Folder, Refused, put_time
from cleaning.records import Facts, Undoing, Undone
from cleaning.seen import reason
from cleaning.stashing import make_place, place_of, strays, tidy

Status = Literal["done", "before", "refused"]


@dataclass(frozen=True)
class Outcome:
    """What became of a copy. before: it had been done in an earlier run. refused: nothing was done, for `reason`.

    reason: of what was done all the same, what is not quite as it should be; else empty.
    bytes:  what it and its companions take; freed: what the disk has gained of that.
    """

    path: str
    status: Status
    reason: str = ""
    bytes: int = 0
    freed: int = 0


def undo(journal: Journal) -> Iterator[Outcome]:
    """Take back all, the last first. Raises JournalError, OSError."""
    for unit in reversed(list(journal.units.values())):
        yield taken_back(journal, unit)
    for path in strays(journal):
        yield Outcome(path, "refused", f"{path} is in the quarantine, but not in the journal: it stays there")
    tidy(journal)


def recover(journal: Journal) -> None:
    """Take back what was left half-way, so that it can be begun again. Raises JournalError."""
    for unit in reversed(list(journal.units.values())):
        if unit.stage in ("begun", "undoing"):
            taken_back(journal, unit)


def taken_back(journal: Journal, unit: Unit) -> Outcome:
    """Raises JournalError."""
    path, size = unit.intent.path, sum(each.size for each in unit.intent.files)
    try:
        return Outcome(path, "done", take_back(journal, unit), size)
    except (Refused, OSError) as error:
        return Outcome(path, "refused", str(error) if isinstance(error, Refused) else f"{path}: {reason(error)}")


def take_back(journal: Journal, unit: Unit) -> str:
    """What could not be put back quite as it was, in words. Raises Refused, JournalError, OSError."""
    if unit.intent.action == "delete" and unit.stage == "done":
        raise Refused(f"{unit.intent.path} was deleted: that cannot be taken back")
    with ExitStack() as held:
        pairs = [_opened(journal, held, each) for each in reversed(unit.intent.files)]
        folders = {entry.folder.path: entry.folder for entry, _, _ in pairs}
        times = _times(unit, folders)
        journal.write_if_room(Undoing(unit=unit.intent.unit, folders=times))
        told = _files_back(unit, pairs)
        for stash in (stash for _, stash, _ in pairs):
            sync(stash.folder)
        told += [_time_back(folder, times[path]) for path, folder in folders.items()]
    journal.write_if_room(Undone(unit=unit.intent.unit))
    return "; ".join(filter(None, told))


def _opened(journal: Journal, held: ExitStack, was: Facts) -> tuple[Entry, Entry, Facts]:
    """Where it was and where it is now; folders that are gone are made again."""
    place = place_of(journal, was.stash)
    make_place(journal, place)
    entry = held.enter_context(journal.roots.entry(was.path, make=True))
    return entry, held.enter_context(journal.roots.entry(was.stash, make=True)), was


def _times(unit: Unit, folders: dict[str, Folder]) -> dict[str, int]:
    """What each folder's time is to be: as before, unless somebody else changed the folder since."""
    if unit.stage == "undoing":
        return {**{path: _mtime(folder) for path, folder in folders.items()}, **unit.folders}
    times = {}
    for path, folder in folders.items():
        ours = unit.stage == "begun" or unit.folders.get(path) == _mtime(folder)
        times[path] = unit.intent.folders[path] if ours and path in unit.intent.folders else _mtime(folder)
    return times


def _files_back(unit: Unit, pairs: list[tuple[Entry, Entry, Facts]]) -> list[str]:
    """All that can be. Raises Refused where one could not."""
    told, failed = [], []
    for entry, stash, was in pairs:
        try:
            told.append(_file_back(unit, entry, stash, was))
        except (Refused, OSError) as error:
            failed.append(str(error) if isinstance(error, Refused) else f"{entry.path}: {reason(error)}")
    if failed:
        raise Refused("; ".join([*failed, *filter(None, told)]))
    return told


def _file_back(unit: Unit, entry: Entry, stash: Entry, was: Facts) -> str:
    if unit.stage == "begun" and stash.stat() is None and entry.stat() is not None:
        return ""  # it had not come to it
    if unit.intent.action == "delete" and stash.stat() is None and entry.stat() is None:
        raise Refused(f"{entry.path} was deleted: that cannot be taken back")
    if unit.intent.action == "hardlink":
        return unlink_again(stash, entry, was, unit.intent.keeper)
    return move_back(stash, entry, was)


def _time_back(folder: Folder, mtime_ns: int) -> str:
    sync(folder)
    return "" if put_time(folder.fd, mtime_ns) else f"{folder.path}: its time cannot be put back"


def _mtime(folder: Folder) -> int:
    return os.fstat(folder.fd).st_mtime_ns


def sync(folder: Folder) -> None:
    """Renames in it last. Raises OSError."""
    if folder.listable:
        os.fsync(folder.fd)
