"""First answers to requests that are sent again: kept in the transaction that carries the request out."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import CLOCK_BOOTTIME, clock_gettime

from sqlalchemy import Connection, and_, delete, insert, select

from index_store.errors import AnsweredBefore, KeyReused
from index_store.records import AddOutcome
from index_store.rows import now
from index_store.schema import answers


@dataclass(frozen=True)
class Once:
    """A request to be carried out once, however often and however concurrently it is sent.

    key:     names it, in the client's words.
    request: SHA-256 of what it asks for, in hex: the same key for something else is a mistake.
    keep_s:  for so many seconds its answer is kept.
    owner:   whose request it is. Each has keys of their own, and cannot find out, by trying, what others have asked.
    """

    key: str
    request: str
    keep_s: float
    owner: str | None = None

    @property
    def own_key(self) -> str:
        """Of all owners' keys, this one."""
        return self.key if self.owner is None else hashlib.sha256(f"{self.owner} {self.key}".encode()).hexdigest()


@dataclass(frozen=True)
class Recorded:
    """A request to be carried out once, and how its outcomes are written down."""

    once: Once
    encode: Callable[[list[AddOutcome]], bytes]


_ARRIVAL = " arrival/"  # no client's key begins with a space
_IS_ARRIVAL = answers.c.key.startswith(_ARRIVAL)
_ARRIVALS_KEPT = timedelta(days=7)
_BEGUN, _BEGUN_AT = now(), clock_gettime(CLOCK_BOOTTIME)


def check(connection: Connection, once: Once) -> None:
    """Raises AnsweredBefore with the first answer if there was one, KeyReused if that was to another request."""
    row = connection.execute(select(answers).where(answers.c.key == once.own_key)).one_or_none()
    if row is None or row.created_at < _oldest(once):
        return
    if row.request != once.request:
        raise KeyReused(f"the Idempotency-Key {once.key!r} was used for another request; make a new one for each")
    raise AnsweredBefore(row.answer)


def keep(connection: Connection, once: Once, answer: bytes) -> None:
    """Note the first answer, within the transaction that it tells of, and drop those that are too old."""
    old = and_(answers.c.created_at < _oldest(once), ~_IS_ARRIVAL)
    connection.execute(delete(answers).where(old))
    values = {"key": once.own_key, "request": once.request, "answer": answer, "created_at": now()}
    connection.execute(insert(answers).values(**values))


def arrived(connection: Connection, arrivals: Sequence[str]) -> set[str]:
    """Those of the files named that were taken in, if they were in the last days."""
    keys = [_ARRIVAL + each for each in arrivals]
    found = connection.scalars(select(answers.c.key).where(answers.c.key.in_(keys)))
    return {key.removeprefix(_ARRIVAL) for key in found}


def keep_arrivals(connection: Connection, arrivals: Sequence[str]) -> None:
    """Note, within the transaction that takes them in, that files were; whoever did may die before they are moved."""
    moment = now()
    connection.execute(delete(answers).where(_IS_ARRIVAL, answers.c.created_at < moment - _ARRIVALS_KEPT))
    new = set(arrivals) - arrived(connection, arrivals)
    rows = [{"key": _ARRIVAL + each, "request": "", "answer": b"", "created_at": moment} for each in sorted(new)]
    if rows:
        connection.execute(insert(answers), rows)


def _oldest(once: Once) -> datetime:
    """When an answer that is just old enough to be dropped was given.

    Where the wall clock has jumped forth since this process began, the time that has really passed counts: a request
    that was answered a minute ago must not be carried out again.
    """
    really = _BEGUN + timedelta(seconds=clock_gettime(CLOCK_BOOTTIME) - _BEGUN_AT)
    return min(now(), really) - timedelta(seconds=once.keep_s)
