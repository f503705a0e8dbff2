"""The report of a delivery: every picture with its verdict, beside the one that it repeats."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from reports.checked import CheckAbout, Checked, Match, Shown, Verdict
from reports.folder import rewritten
from reports.gallery import make_thumbnails
from reports.pages import Page, Writer, paged
from reports.thumbnails import Source
from retrieval.settings import InputSettings

MOST_MATCHES = 12  # shown of one picture
TITLES: dict[Verdict, tuple[str, str]] = {
    "near": ("Near copies", "alike by score, the least similar first"),
    "identical": ("The same pixels", "in other files"),
    "exact": ("The same bytes", "exact copies"),
    "indeterminate": ("Indeterminate", "too little in the picture to say"),
    "unreadable": ("Unreadable", "no picture, damaged, or too large"),
    "new": ("New", "like nothing that is known"),
}


@dataclass(frozen=True, eq=False)
class Entry:
    """A picture with its number in the report, from 1."""

    number: int
    checked: Checked

    @property
    def matches(self) -> Sequence[Match]:
        return self.checked.matches[:MOST_MATCHES]


@dataclass(frozen=True)
class Section:
    """The pictures of one verdict."""

    verdict: Verdict
    title: str
    about: str
    count: int
    pages: Sequence[Page]


def write_check(
    records: Iterable[Checked], about: CheckAbout, folder: Path, limits: InputSettings, quiet: bool = False
) -> Path:
    """Writes the report into `folder`, in place of an older one; returns its first page.

    limits: what pictures may be, to be decoded for a thumbnail. quiet: no progress bars. Raises ReportError where the
    folder holds anything else, and OSError.
    """
    entries = [Entry(number, checked) for number, checked in enumerate(records, 1)]
    with rewritten(folder) as (new, old):
        writer = Writer(new, make_thumbnails(_sources(entries), new, old, limits, quiet), "")
        sections = [_section(verdict, entries) for verdict in TITLES]
        pages = [(section, page) for section in sections for page in section.pages]
        for section, page in tqdm(pages, desc="pages", unit="page", disable=quiet):
            writer.page("checked.html", page, section=section, sections=sections)
        writer.overview("check.html", about=about, sections=sections, pictures=len(entries))
    return folder / "index.html"


def _section(verdict: Verdict, entries: Iterable[Entry]) -> Section:
    title, about = TITLES[verdict]
    found = sorted((each for each in entries if each.checked.verdict == verdict), key=_doubt)
    return Section(verdict, title, about, len(found), paged(verdict, title, found, lambda each: 1 + len(each.matches)))


def _doubt(entry: Entry) -> float:
    """By the score of the best match, the least first; what has none stays as it came."""
    score = entry.checked.matches[0].score if entry.checked.matches else None
    return -math.inf if score is None or math.isnan(score) else score


def _sources(entries: Iterable[Entry]) -> dict[str, tuple[Source, ...]]:
    found: dict[str, list[Source]] = {}
    for each in _shown(entries):
        found.setdefault(each.key, []).extend(each.sources)
    return {key: tuple(each) for key, each in found.items()}


def _shown(entries: Iterable[Entry]) -> Iterable[Shown]:
    for entry in entries:
        yield entry.checked.picture
        yield from (match.picture for match in entry.checked.matches[:MOST_MATCHES])
