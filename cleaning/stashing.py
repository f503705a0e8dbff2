"""Where files go: `<quarantine>/<run>/<path>`, on the file system that they are on unless another was asked for."""

import os
from contextlib import suppress
from pathlib import Path

from cleaning.journal import Journal
from cleaning.moving import PART
from cleaning.places import QUARANTINE, Entry, Refused, Roots, remove_folder
from cleaning.records import Place


def stash_of(journal: Journal, entry: Entry, quarantine: str | None) -> str:
    """A file's path in the quarantine; what has to be made for it is made. Raises Refused, JournalError, OSError."""
    path = entry.path
    if f"/{QUARANTINE}/" in path or (quarantine and path.startswith(f"{quarantine}/")):
        raise Refused(f"{path} lies in a quarantine")
    base = "/" if quarantine else entry.folder.mount.rstrip("/") or "/"
    place = quarantine or f"{base.rstrip('/')}/{QUARANTINE}"
    if place not in journal.places:
        journal.write(Place(path=place))
    stash = f"{place}/{journal.header.run}/{os.path.relpath(path, base)}"
    make_place(journal, place)
    with journal.roots.folder(os.path.dirname(stash), make=True) as folder:  # noqa: PTH120
        if folder.protected:
            raise Refused(f"{place} lies in a protected folder")
    return stash


def make_place(journal: Journal, place: str) -> None:
    """Raises Refused."""
    try:
        with journal.roots.folder(f"{place}/{journal.header.run}", make=True):
            return
    except OSError as error:
        raise Refused(f"no quarantine can be made in {place}: {error.strerror}; --quarantine names another") from None


def place_of(journal: Journal, stash: str) -> str:
    """Raises Refused where a journal was tampered with."""
    inside = [each for each in journal.places if stash.startswith(f"{each}/{journal.header.run}/")]
    if not inside:
        raise Refused(f"{stash} is in no quarantine of this run")
    return max(inside, key=len)


def tidy(journal: Journal) -> None:
    """Remove empty folders of ours, and where nothing is left to be taken back, the journal that we placed there."""
    for place in journal.places:
        with suppress(Refused, OSError):
            _sweep(journal.roots, place, journal.header.run)
        remove_place(journal.roots, place)
    if not journal.units and not strays(journal) and journal.path.name == f"{journal.header.run}.jsonl":
        journal.remove()
        remove_place(journal.roots, str(journal.path.parent))


def strays(journal: Journal) -> list[str]:
    """Files in the run's folders of the quarantines that the journal, which may have lost lines, does not know."""
    known = {each.stash for unit in journal.units.values() for each in unit.intent.files}
    run = journal.header.run
    beside = [str(journal.path.parent)] if journal.path.name == f"{run}.jsonl" else []
    found: list[str] = []
    for place in dict.fromkeys([*journal.places, *beside]):
        with suppress(Refused, OSError), journal.roots.folder(f"{place}/{run}") as top:
            for folder, _, files, _ in os.fwalk(".", dir_fd=top.fd):
                found += (os.path.normpath(f"{top.path}/{folder}/{name}") for name in files if name != PART)
    return sorted(set(found) - known)


def remove_place(roots: Roots, place: str) -> None:
    """Where it is one of ours, and empty."""
    if Path(place).name == QUARANTINE:
        with suppress(Refused, OSError), roots.folder(os.path.dirname(place)) as above:  # noqa: PTH120
            remove_folder(above.fd, QUARANTINE)


def _sweep(roots: Roots, place: str, run: str) -> None:
    with roots.folder(place) as folder:
        with roots.folder(f"{place}/{run}") as top:
            for _, folders, files, fd in os.fwalk(".", topdown=False, dir_fd=top.fd):
                if PART in files:
                    os.unlink(PART, dir_fd=fd)
                for name in folders:
                    remove_folder(fd, name)
        remove_folder(folder.fd, run)
