"""Duplicate groups of collections as they are asked for: found once, kept in files, told page by page."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from index_store import Collection, Found, Group, Grouping, ImageStore, Marks, Policy, Terms, described, grouping_of
from index_store.build import index_folder
from retrieval.errors import BadPayload, NeedsJob
from retrieval.group_files import Cursor, GroupFiles, Key
from retrieval.judges import Judges
from retrieval.schemas import DuplicateOptions
from retrieval.settings import Settings

DUPLICATES_FOLDER = "duplicates"
PAGE_MEMBERS = 10_000  # a page ends before its limit with so many
Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Page:
    """Some groups and where the next page begins. `current` is False where something has changed since."""

    terms: Terms
    groups: list[Group]
    next: str | None
    current: bool


@dataclass(frozen=True)
class _Question:
    """What is asked of which collections, and the key and files of its answer as things stand."""

    terms: Terms
    key: Key
    files: GroupFiles
    collections: tuple[Collection, ...]

    @property
    def name(self) -> str:
        return self.collections[0].name


class Duplicates:
    """Finds duplicate groups and keeps what it found.

    Methods raise UnknownCollection, FingerprintMismatch and BadPayload besides what they name.
    """

    def __init__(self, settings: Settings, store: ImageStore) -> None:
        self._settings = settings
        self._store = store
        self._computing = threading.Lock()

    def page(self, name: str, options: DuplicateOptions, after: str | None, limit: int) -> Page:
        """Up to `limit` groups. Raises NeedsJob of a large collection, ResultGone."""
        question = self._question(name, options)
        begin = _begin(question, after) or self._kept(question) or self._found_now(question)
        found, following = _page(question.files.read(begin), limit)
        groups = list(described(self._store.catalog, found, question.terms))
        return Page(question.terms, groups, str(following) if following else None, begin.key == question.key)

    def stream(self, name: str, options: DuplicateOptions, after: str | None) -> Iterator[Group]:
        """All groups, or those from a page on; what is not kept is found on the way. Raises as `page` does."""
        question = self._question(name, options)
        begin = _begin(question, after) or self._kept(question)
        if begin:
            kept = question.files.read(begin)
            return described(self._store.catalog, (group for group, _ in kept), question.terms)
        grouping = grouping_of(self._store, question.name, question.terms)
        return self._described_on_the_way(question, grouping)

    def compute(self, name: str, options: DuplicateOptions, report: Report) -> dict[str, Any]:
        """Find and keep the groups of a collection of any size, with figures of them for a job's result."""
        started = perf_counter()
        question = self._question(name, options)
        grouping = grouping_of(self._store, name, question.terms)
        groups = members = 0
        for done, found in _written(question, grouping):
            groups, members = groups + len(found), members + sum(len(group.links) for group in found)
            report({"collection": name, "done": done, "of": grouping.pictures, "groups": groups})
        return {"groups": groups, "members": members, "seconds": round(perf_counter() - started, 3)}

    def _question(self, name: str, options: DuplicateOptions) -> _Question:
        if options.against == name:
            raise BadPayload("against: a collection cannot be compared with itself; leave it out")
        bound = self._store.collection(name)
        collections = (bound, self._store.collection(options.against)) if options.against else (bound,)
        terms = self._terms(bound, options)
        asked = [terms.least, terms.policy.rules, terms.kind, [each.uid for each in collections]]
        state = [[each.clock for each in collections], Marks(self._store.catalog).version(*collections)]
        files = GroupFiles(index_folder(self._settings.data_dir / DUPLICATES_FOLDER, bound))
        return _Question(terms, Key(_digest(asked), _digest(state)), files, collections)

    def _terms(self, bound: Collection, options: DuplicateOptions) -> Terms:
        # Stored vectors are of whole pictures, as in a fast search.
        own = Judges(self._settings.search, self._store, bound.fingerprint).threshold(bound, "fast")
        least = own if options.min_score is None else options.min_score
        return Terms(least, Policy.parse(options.keep), options.relation, options.against)

    def _kept(self, question: _Question) -> Cursor | None:
        """The answer if it is kept; of a large collection also an older one. Raises NeedsJob of a large one without."""
        if question.files.has(question.key):
            return Cursor(question.key, 0)
        pictures = sum(self._store.catalog.count(each) for each in question.collections)
        at_once = self._settings.groups.at_once
        if pictures <= at_once:
            return None
        if older := question.files.newest(question.key.question):
            return Cursor(older, 0)
        raise NeedsJob(
            f"there are {pictures:,} pictures to compare, more than groups.at_once ({at_once:,}): start the job "
            f'POST /jobs {{"kind": "duplicates", "collection": "{question.name}", "options": {{...}}}} with the same '
            "parameters as options, and ask again when it is done"
        )

    def _found_now(self, question: _Question) -> Cursor:
        with self._computing:  # who waits finds what the first has found
            if not question.files.has(question.key):
                for _ in _written(question, grouping_of(self._store, question.name, question.terms)):
                    pass
        return Cursor(question.key, 0)

    def _described_on_the_way(self, question: _Question, grouping: Grouping) -> Iterator[Group]:
        for _, found in _written(question, grouping):
            yield from described(self._store.catalog, found, question.terms)


def _written(question: _Question, grouping: Grouping) -> Iterator[tuple[int, list[Found]]]:
    """What the grouping finds, which is kept once all of it has been found."""
    with question.files.writing(question.key) as write:
        for done, found in grouping.groups():
            write(found)
            yield done, found


def _begin(question: _Question, after: str | None) -> Cursor | None:
    if after is None:
        return None
    begin = Cursor.parse(after)
    if begin.key.question != question.key.question:
        raise BadPayload("after: of an answer to other parameters; repeat those of the first page")
    question.files.check(begin)
    return begin


def _page(groups: Iterable[tuple[Found, Cursor | None]], limit: int) -> tuple[list[Found], Cursor | None]:
    page, members = list[Found](), 0
    for group, following in groups:
        page.append(group)
        members += len(group.links)
        if len(page) == limit or members >= PAGE_MEMBERS:
            return page, following
    return page, None


def _digest(facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
