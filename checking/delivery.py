"""Checks a delivery through a service: each picture against a collection, then against what came before it.

A picture that the collection has no copy of is put into a scratch collection, unless that has one, too; so the scratch
collection holds what may be accepted, and every later picture is compared with just that. Who accepts at once lets
the collection itself take its place.
"""

import hashlib
import os
import uuid
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.client import BAD_REQUEST, FORBIDDEN, INTERNAL_SERVER_ERROR
from itertools import islice
from typing import Literal

from checking.files import DeliveryFile
from client import Added, Client, Duplicate, Failure, Found, Match, Queued, ServiceError, Unreachable

Relation = Literal["exact", "identical", "near"]
Mode = Literal["fast", "thorough"]
Verdict = Literal["new", "exact", "identical", "near", "indeterminate", "unreadable"]
COPIES: tuple[Relation, ...] = ("exact", "identical", "near")
BATCH = 16
SEARCHES = 2  # batches that are looked for at a time: while one travels, the other is embedded


@dataclass(frozen=True)
class Original:
    """What a picture is a copy of: a picture of `collection`, or where that is None an earlier one of the delivery.

    score: cosine in [-1, 1], higher is closer. confidence: as the service tells it, 0 to 1, or None.
    """

    id: str
    collection: str | None
    relation: Relation
    score: float
    confidence: float | None
    source: str | None = None


@dataclass(frozen=True)
class Checked:
    """A picture of the delivery, and what it is a copy of, the closest first.

    accepted: the collection has taken it. detail: why a picture is unreadable, or was not taken although it is new.
    """

    file: DeliveryFile
    verdict: Verdict
    originals: tuple[Original, ...] = ()
    accepted: bool = False
    detail: str = ""


@dataclass(frozen=True)
class Terms:
    """With which collection to compare, and how. `into` is where new pictures go; None compares no two of them."""

    against: str
    into: str | None
    mode: Mode | None = None
    target_precision: float | None = None

    @property
    def accepts(self) -> bool:
        return self.into == self.against


class CheckFailed(Exception):
    """The service cannot go on: it has no room, say. What was told until then holds."""


class Check:
    """One delivery."""

    def __init__(self, client: Client, terms: Terms) -> None:
        self._client = client
        self._terms = terms
        self._taken: dict[str, DeliveryFile] = {}  # by the id that it has in `into`

    def run(self, files: Iterable[DeliveryFile]) -> Generator[Checked, None, None]:
        """A verdict of each file, in order. Raises ServiceError, Unreachable and CheckFailed."""
        waiting: deque[tuple[list[DeliveryFile], Future[list[Found | Failure]]]] = deque()
        rest = iter(files)
        batches = iter(lambda: list(islice(rest, BATCH)), [])
        with ThreadPoolExecutor(SEARCHES, "search") as pool:
            try:
                while True:
                    for batch in islice(batches, SEARCHES + 1 - len(waiting)):
                        waiting.append((batch, pool.submit(self._found, batch)))
                    if not waiting:
                        return
                    batch, found = waiting.popleft()
                    yield from self._judged(batch, found.result())
            finally:
                pool.shutdown(cancel_futures=True)

    def _found(self, batch: Sequence[DeliveryFile]) -> list[Found | Failure]:
        paths = [each.path for each in batch]
        return self._client.search_many(
            paths,
            collection=self._terms.against,
            mode=self._terms.mode,
            target_precision=self._terms.target_precision,
        )

    def _judged(self, batch: list[DeliveryFile], found: list[Found | Failure]) -> list[Checked]:
        first = [self._compared(file, each) for file, each in zip(batch, found, strict=True)]
        wanted = ("new",) if self._terms.accepts else ("new", "indeterminate")
        added = iter(self._added([each for each in first if each.verdict in wanted]))
        return [next(added) if each.verdict in wanted else each for each in first]

    def _added(self, new: Sequence[Checked]) -> list[Checked]:
        """What becomes of those that the collection has no copy of."""
        into = self._terms.into
        if into is None or not new:
            return list(new)
        try:
            return self._sent(into, new)
        except ServiceError as error:
            # A path that cannot be an id has the whole request refused.
            if not self._terms.accepts or error.status != BAD_REQUEST:
                raise
            if len(new) == 1:
                return [replace(new[0], detail=f"not accepted: {_id_trouble(new[0].file) or error.detail}")]
        return [checked for each in new for checked in self._added([each])]

    def _sent(self, into: str, new: Sequence[Checked]) -> list[Checked]:
        added = self._client.add_many(
            [each.file.path for each in new],
            ids=[self._id(each.file) for each in new],
            collection=into,
            on_duplicate="reject",
            mode=self._terms.mode,
            target_precision=self._terms.target_precision,
        )
        return [self._after_adding(checked, each) for checked, each in zip(new, added, strict=True)]

    def _id(self, file: DeliveryFile) -> str:
        """In a scratch collection any will do, and not every path can be one."""
        return file.id if self._terms.accepts else hashlib.sha256(os.fsencode(file.id)).hexdigest()

    def _after_adding(self, checked: Checked, added: Added | Duplicate | Queued | Failure) -> Checked:
        if isinstance(added, Failure):
            return replace(checked, detail=f"not accepted: {_refusal(checked.file, added)}")
        if isinstance(added, Duplicate):
            return self._copy(checked.file, added.matches, None)
        self._taken[added.id] = checked.file
        return replace(checked, accepted=self._terms.accepts)

    def _compared(self, file: DeliveryFile, found: Found | Failure) -> Checked:
        if isinstance(found, Failure):
            return Checked(file, "unreadable", detail=_refusal(file, found))
        if copies := [match for match in found.matches if match.relation in COPIES]:
            return self._copy(file, copies, self._terms.against)
        return Checked(file, "indeterminate" if found.verdict == "indeterminate" else "new")

    def _copy(self, file: DeliveryFile, matches: Sequence[Match], collection: str | None) -> Checked:
        """The strongest relation is the verdict."""
        originals = [self._original(match, collection) for match in matches]
        ordered = sorted(originals, key=lambda each: (COPIES.index(each.relation), -each.score))
        return Checked(file, ordered[0].relation, tuple(ordered))

    def _original(self, match: Match, collection: str | None) -> Original:
        """Of a match in `collection`, or where that is None in `into`: perhaps a picture of this delivery."""
        told = Original(match.id, collection or self._terms.into, _relation(match), match.score, match.confidence)
        earlier = self._taken.get(match.id) if collection in (None, self._terms.into) else None
        if earlier is None:
            return replace(told, source=match.source)
        return replace(told, id=earlier.id, collection=None, source=str(earlier.path))


@contextmanager
def scratch(client: Client, against: str) -> Iterator[str]:
    """A collection for the time of a check, which judges as `against` does; gives its name.

    Raises ServiceError where there is no `against`, CheckFailed where the key is not one of admin's.
    """
    threshold = client.collections.get(against).threshold
    name = f"check-{uuid.uuid4().hex[:12]}"
    try:
        client.collections.create(name, threshold=threshold)
    except ServiceError as error:
        if error.status != FORBIDDEN:
            raise
        raise CheckFailed(
            f"{error.detail}; without a scratch collection there are --only-against and --accept"
        ) from None
    try:
        yield name
    finally:
        try:
            client.collections.delete(name)
        except (ServiceError, Unreachable) as error:
            raise CheckFailed(f"the scratch collection {name!r} could not be deleted, and is left: {error}") from error


def _relation(match: Match) -> Relation:
    return next(each for each in COPIES if each == match.relation)


def _refusal(file: DeliveryFile, failure: Failure) -> str:
    """Why this picture was refused. Raises CheckFailed where the next would be, too."""
    if failure.transient or failure.status >= INTERNAL_SERVER_ERROR:
        raise CheckFailed(f"{file.path}: {failure.title}: {failure.detail}")
    return failure.detail


def _id_trouble(file: DeliveryFile) -> str:
    try:
        file.id.encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8, and so cannot be its id"
    return ""
