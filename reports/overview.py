"""What the first page of a clean-up report counts: copies by their relation and by their score."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from cleaning.plan import Copy, Plan
from reports.entries import RELATIONS, Entry
from reports.pages import FOLDER, Page

BANDS = 20  # of scores, in 1
SURE = {"near": "alike by score: look at these", "identical": "the same pixels", "exact": "the same bytes"}


@dataclass
class Row:
    """Copies of one kind, and the page and group where those begin of which this is what one is least sure of."""

    title: str
    about: str = ""
    removed: int = 0
    held: int = 0
    saves_bytes: int = 0
    href: str = ""
    order: float = field(default=0, repr=False)

    def count(self, copy: Copy) -> None:
        self.held += bool(copy.held)
        self.removed += not copy.held
        self.saves_bytes += 0 if copy.held else copy.size + sum(each.size for each in copy.companions)


def figures(plan: Plan, pages: list[Page]) -> dict[str, object]:
    """What the template of the first page asks for; `pages` in the order of doubt."""
    copies = [copy for group in plan.groups for copy in group.copies]
    return {
        "removed": sum(not copy.held for copy in copies),
        "metadata": sum(bool(copy.missing) and not copy.held for copy in copies),
        "reasons": Counter(copy.held for copy in copies if copy.held).most_common(),
        "relations": _rows(pages, lambda copy: copy.relation, _of_relation),
        "bands": _rows(pages, lambda copy: _band(copy) if copy.relation == "near" else None, _of_band),
    }


def _rows(
    pages: Iterable[Page], kind: Callable[[Copy], str | int | None], row: Callable[[str | int], Row]
) -> list[Row]:
    rows: dict[str | int, Row] = {}
    for href, entry in _places(pages):
        for copy in entry.group.copies:
            if (key := kind(copy)) is not None:
                found = rows.setdefault(key, row(key))
                found.count(copy)
                found.href = found.href or (href if copy is entry.weakest else "")
    return sorted(rows.values(), key=lambda each: each.order)


def _places(pages: Iterable[Page]) -> Iterator[tuple[str, Entry]]:
    for page in pages:
        for entry in page.items:
            yield f"{FOLDER}/{page.file}#group-{entry.number}", entry


def _band(copy: Copy) -> int:
    """The last band has 1 itself, too. What is no number is in the lowest."""
    return math.floor(min(max(-1.0, copy.score) * BANDS, BANDS - 1))


def _of_relation(key: str | int) -> Row:
    return Row(str(key), SURE[str(key)], order=RELATIONS.index(str(key)))


def _of_band(key: str | int) -> Row:
    low = int(key) / BANDS
    return Row(f"{low:.2f} to {low + 1 / BANDS:.2f}", order=low)
