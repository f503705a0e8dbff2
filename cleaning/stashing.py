"""Where files go: `<quarantine>/<run>/<path>`, on the file system that they are on unless another was asked for."""

import os
from contextlib import suppress
from pathlib import Path

from cleaning.journal import Journal
from cleaning.moving import PART
from cleaning.places import QUARANTINE, Entry, Folder, Refused, Roots, keeping_times
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
    """Raises Refused, OSError."""
    above = os.path.dirname(place)  # noqa: PTH120  # of any length
    try:
        with journal.roots.folder(above) as folder, keeping_times(folder):
            _make(journal, place)
    except OSError as error:
        raise Refused(f"no quarantine can be made in {above}: {error.strerror}; --quarantine names another") from None


def _make(journal: Journal, place: str) -> None:
    with journal.roots.folder(place, make=True) as folder, keeping_times(folder):
        run = journal.roots.folder(f"{place}/{journal.header.run}", make=True)
        with run:
            pass


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
    if not journal.units and journal.path.name == f"{journal.header.run}.jsonl":
        journal.remove()
    for place in {*journal.places, str(journal.path.parent)}:
        if Path(place).name == QUARANTINE:
            with suppress(Refused, OSError):
                _remove(journal.roots, place)


def _sweep(roots: Roots, place: str, run: str) -> None:
    with roots.folder(place) as folder, keeping_times(folder):
        with roots.folder(f"{place}/{run}") as top:
            for _, folders, files, fd in os.fwalk(".", topdown=False, dir_fd=top.fd):
                if PART in files:
                    os.unlink(PART, dir_fd=fd)
                _rmdirs(fd, folders)
        _rmdirs(folder.fd, [run])


def _rmdirs(fd: int, names: list[str]) -> None:
    for name in names:
        with suppress(OSError):  # not empty, or a link
            os.rmdir(name, dir_fd=fd)


def _remove(roots: Roots, place: str) -> None:
    above: Folder
    with roots.folder(os.path.dirname(place)) as above, keeping_times(above):  # noqa: PTH120
        _rmdirs(above.fd, [QUARANTINE])
