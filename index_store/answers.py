"""First answers to requests that are sent again: kept in the transaction that carries the request out."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, delete, insert, select

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


def check(connection: Connection, once: Once) -> None:
    """Raises AnsweredBefore with the first answer if there was one, KeyReused if that was to another request."""
    row = connection.execute(select(answers).where(answers.c.key == once.own_key)).one_or_none()
    if row is None or row.created_at < now() - timedelta(seconds=once.keep_s):
        return
    if row.request != once.request:
        raise KeyReused(f"the Idempotency-Key {once.key!r} was used for another request; make a new one for each")
    raise AnsweredBefore(row.answer)


def keep(connection: Connection, once: Once, answer: bytes) -> None:
    """Note the first answer, within the transaction that it tells of, and drop those that are too old."""
    moment = now()
    old = answers.c.created_at < moment - timedelta(seconds=once.keep_s)
    connection.execute(delete(answers).where(old))
    values = {"key": once.own_key, "request": once.request, "answer": answer, "created_at": moment}
    connection.execute(insert(answers).values(**values))
