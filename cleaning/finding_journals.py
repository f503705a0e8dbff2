"""Which journal is meant: by itself, by its plan, by a quarantine, or by a folder that has one."""

from pathlib import Path

from cleaning.acting import header
from cleaning.journal import JournalError
from cleaning.places import QUARANTINE, Roots
from cleaning.plan import FORMAT, Plan
from cleaning.records import Header
from cleaning.stashing import remove_place


def journal_of(plan: Plan, quarantine: Path | None = None) -> Path:
    """Where a plan's journal lies unless it is said otherwise: beside its quarantine. Raises JournalError."""
    return _place(header(plan), quarantine) / f"{header(plan).run}.jsonl"


def _place(new: Header, quarantine: Path | None) -> Path:
    if quarantine:
        return quarantine
    for folder in new.folders:
        with Roots(new.folders, new.protected).folder(folder) as opened:
            if not opened.protected:
                return Path(folder) / QUARANTINE
    raise JournalError("all folders of the plan are protected: nothing in them can be removed")


def find_journal(what: Path, quarantine: Path | None = None) -> tuple[Path, Header | None]:
    """By a journal, a plan, a quarantine, a run's folder in it, or a folder with one; its header, if known.

    Raises JournalError, PlanError, OSError.
    """
    if what.is_dir():
        return _in_folder(what.absolute()), None
    with what.open("rb") as file:
        start = file.read(4096)
    if FORMAT.encode() not in start:
        return what, None
    plan = Plan.read(what)
    path = journal_of(plan, quarantine)
    if not path.exists():
        remove_place(Roots(plan.about.folders), str(path.parent))  # of a run that was killed before it could begin
        raise JournalError(f"{what} was not applied, or was taken back: there is no {path}{_others(path.parent)}")
    return path, header(plan)


def _others(place: Path) -> str:
    """What to do where the plan was written anew since."""
    if not any(place.glob("*.jsonl")):
        return ""
    return f"; another plan was applied there: --undo {place.parent if place.name == QUARANTINE else place}"


def _in_folder(folder: Path) -> Path:
    beside = folder.parent / f"{folder.name}.jsonl"
    if beside.is_file():
        return beside
    found = [*folder.glob("*.jsonl"), *(folder / QUARANTINE).glob("*.jsonl")]
    if len(found) == 1:
        return found[0]
    if not found:
        raise JournalError(f"{folder} has no quarantine with a journal; name the plan or the journal itself")
    raise JournalError(f"{folder} has several journals, name one: {', '.join(sorted(map(str, found)))}")
