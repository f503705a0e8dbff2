"""Emptying a run's quarantine, so that the disk gains the room. A copy is deleted while its keeper is still there."""

from collections.abc import Iterator
from contextlib import ExitStack

from cleaning.acting import drop
from cleaning.journal import Journal, JournalError, Unit
from cleaning.places import Refused
from cleaning.plan import PlannedFile
from cleaning.records import Emptied, Undone
from cleaning.seen import reason, verified
from cleaning.stashing import place_of, tidy
from cleaning.undoing import Outcome


def empty_quarantine(journal: Journal) -> Iterator[Outcome]:
    """For good. Hard links can still be taken back, from the bytes that they share. Raises JournalError, OSError."""
    if any(unit.stage in ("begun", "dropping", "undoing") for unit in journal.units.values()):
        raise JournalError(f"{journal.path}: the run is not finished; finish it or take it back first")
    for unit in list(journal.units.values()):
        yield _emptied(journal, unit)
    tidy(journal)


def _emptied(journal: Journal, unit: Unit) -> Outcome:
    path = unit.intent.path
    try:
        with ExitStack() as held:
            _drop(journal, unit, held)
    except (Refused, OSError) as error:
        told = f"{path} stays in the quarantine: {error if isinstance(error, Refused) else reason(error)}"
        return Outcome(path, "refused", told)
    size = sum(each.size for each in unit.intent.files)
    return Outcome(path, "done", "", size, sum(each.size for each in unit.intent.files if each.links == 1))


def _drop(journal: Journal, unit: Unit, held: ExitStack) -> None:
    """Of the last copies of a picture none goes."""
    keeper = unit.intent.keeper
    planned = PlannedFile(path=keeper.path, size=keeper.size, mtime_ns=0, sha256=keeper.sha256)
    seen = held.enter_context(verified(journal.roots, planned))
    for each in unit.intent.files:
        place_of(journal, each.stash)
    try:
        stashes = tuple(held.enter_context(journal.roots.entry(each.stash)) for each in unit.intent.files)
    except FileNotFoundError:
        stashes = ()  # somebody was quicker
    seen.check_still()
    journal.write(Emptied(unit=unit.intent.unit))
    drop(stashes)
    if unit.intent.action != "hardlink":
        journal.write(Undone(unit=unit.intent.unit))
