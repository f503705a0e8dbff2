"""The report of a clean-up: a plan as pages that people look through before anything is done."""

import hashlib
from pathlib import Path

from tqdm import tqdm

from cleaning.plan import Plan
from reports.entries import Entry, least_similar_first, most_space_first
from reports.folder import rewritten
from reports.gallery import make_thumbnails
from reports.overview import figures
from reports.pages import Page, Writer, paged
from reports.thumbnails import FileSource
from retrieval.settings import InputSettings


def write_groups(plan: Plan, folder: Path, limits: InputSettings, apply: str = "", quiet: bool = False) -> Path:
    """Writes the report into `folder`, in place of an older one; returns its first page.

    limits: what pictures may be, to be decoded for a thumbnail. apply: the command that carries the plan out, which
    the first page shows. quiet: no progress bars. Raises ReportError where the folder holds anything else, and OSError.
    """
    with rewritten(folder) as (new, old):
        writer = Writer(new, make_thumbnails(_sources(plan), new, old, limits, quiet), identity(plan))
        orders = _orders(plan)
        for page in tqdm([page for pages in orders for page in pages], desc="pages", unit="page", disable=quiet):
            writer.page("groups.html", page, orders=orders)
        lost = [(trouble.path, trouble.reason) for trouble in plan.about.troubles]
        writer.overview("cleanup.html", plan=plan, orders=orders, apply=apply, lost=lost, **figures(plan, orders[0]))
    return folder / "index.html"


def identity(plan: Plan) -> str:
    """Tells the report of one plan from that of another, for a browser that remembers what was marked in it."""
    return hashlib.sha256(repr(plan.about).encode("utf-8", "backslashreplace")).hexdigest()[:16]


def _orders(plan: Plan) -> tuple[list[Page], list[Page]]:
    return (
        paged("similar", "Least similar first", least_similar_first(plan), _pictures),
        paged("space", "Most space first", most_space_first(plan), _pictures),
    )


def _pictures(entry: Entry) -> int:
    return 1 + len(entry.group.copies)


def _sources(plan: Plan) -> dict[str, tuple[FileSource, ...]]:
    """Content -> the files that had it: if one is gone, another will do."""
    found: dict[str, list[FileSource]] = {}
    for group in plan.groups:
        for each in (group.keeper, *group.copies):
            found.setdefault(each.sha256, []).append(FileSource(each.path, each.sha256))
    return {key: tuple(each) for key, each in found.items()}
