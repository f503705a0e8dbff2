"""The job board: maintenance work asked for, under way and done, in the catalog, so that every process sees it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, and_, extract, func, insert, select, update

from index_store.catalog import Catalog
from index_store.errors import UnknownJob
from index_store.rows import now
from index_store.schema import jobs

JobState = Literal["queued", "running", "done", "failed"]
MAX_ATTEMPTS = 3


@dataclass(frozen=True)
class Job:
    """A piece of maintenance work; `collection` None means all of them, `options` are what its kind takes besides."""

    id: int
    kind: str
    collection: str | None
    options: dict[str, Any]
    state: JobState
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    progress: dict[str, Any]
    result: dict[str, Any] | None
    error: str | None


@dataclass(frozen=True)
class JobTotals:
    """All jobs of one kind in one state: how many, the seconds they ran in all, and when the last of them ended."""

    kind: str
    state: JobState
    count: int
    seconds: float
    last_finished_at: datetime | None


_COLUMNS = [jobs.c[field.name] for field in fields(Job)]


class JobBoard:
    """Jobs by id, oldest first. Anyone may ask for work; only the one owner of maintenance claims it."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def ask(self, kind: str, collection: str | None = None, options: dict[str, Any] | None = None) -> Job:
        """A new queued job, or the one that waits already for the same work."""
        same = and_(jobs.c.kind == kind, jobs.c.collection.is_not_distinct_from(collection), jobs.c.state == "queued")
        values = {"kind": kind, "collection": collection, "options": options or {}, "created_at": now()}
        with self._catalog.writing() as connection:
            queued = connection.execute(select(*_COLUMNS).where(same).order_by(jobs.c.id))
            for waiting in map(_job, queued):
                if waiting.options == values["options"]:
                    return waiting
            new = insert(jobs).values(**values, state="queued", attempts=0, progress={}).returning(jobs.c.id)
            return _find(connection, connection.execute(new).scalar_one())

    def job(self, job_id: int) -> Job:
        """Raises UnknownJob."""
        with self._catalog.reading() as connection:
            return _find(connection, job_id)

    def newest(self, limit: int = 100, collections: Iterable[str] | None = None) -> list[Job]:
        """The newest jobs, newest first; with `collections`, those of just these."""
        asked = select(*_COLUMNS).order_by(jobs.c.id.desc()).limit(limit)
        if collections is not None:
            asked = asked.where(jobs.c.collection.in_(collections))
        with self._catalog.reading() as connection:
            return [_job(row) for row in connection.execute(asked)]

    def totals(self) -> list[JobTotals]:
        """By kind and state; seconds are whole where the database is SQLite."""
        took = func.sum(extract("epoch", jobs.c.finished_at) - extract("epoch", jobs.c.started_at))
        columns = (jobs.c.kind, jobs.c.state, func.count(), took, func.max(jobs.c.finished_at))
        with self._catalog.reading() as connection:
            rows = connection.execute(select(*columns).group_by(jobs.c.kind, jobs.c.state)).all()
        return [JobTotals(kind, state, count, float(seconds or 0), last) for kind, state, count, seconds, last in rows]

    def claim(self) -> Job | None:
        """The oldest queued job, now running; None where nothing waits. For the owner of maintenance only."""
        oldest = select(jobs.c.id).where(jobs.c.state == "queued").order_by(jobs.c.id).limit(1)
        with self._catalog.reading() as connection:
            if connection.scalar(oldest) is None:  # the usual answer, without the write lock
                return None
        with self._catalog.writing() as connection:
            waiting = connection.scalar(oldest)
            if waiting is None:
                return None
            taken = update(jobs).where(jobs.c.id == waiting)
            connection.execute(taken.values(state="running", attempts=jobs.c.attempts + 1, started_at=now()))
            return _find(connection, waiting)

    def report(self, job_id: int, progress: dict[str, Any]) -> None:
        """Note how far a running job has come."""
        with self._change(job_id, progress=progress):
            pass

    def finish(self, job_id: int, result: dict[str, Any]) -> None:
        """Note that a job is done."""
        with self._change(job_id, state="done", result=result, finished_at=now()):
            pass

    def fail(self, job_id: int, error: str) -> None:
        """Note that a job has failed, and why."""
        with self._change(job_id, state="failed", error=error, finished_at=now()):
            pass

    def release(self, job_id: int) -> None:
        """Queue a running job again, as if it had not been claimed: its owner stops in good order."""
        with self._change(job_id, state="queued", attempts=jobs.c.attempts - 1, started_at=None):
            pass

    def recover(self) -> None:
        """Queue again what an owner that died was doing; give up on what was tried too often. For a new owner only."""
        orphaned = jobs.c.state == "running"
        tired = "the process died {} times while doing this".format
        with self._catalog.writing() as connection:
            given_up = update(jobs).where(orphaned, jobs.c.attempts >= MAX_ATTEMPTS)
            connection.execute(given_up.values(state="failed", error=tired(MAX_ATTEMPTS), finished_at=now()))
            connection.execute(update(jobs).where(orphaned).values(state="queued", started_at=None))

    @contextmanager
    def _change(self, job_id: int, **values: Any) -> Iterator[Connection]:
        with self._catalog.writing() as connection:
            connection.execute(update(jobs).where(jobs.c.id == job_id).values(**values))
            yield connection


def _find(connection: Connection, job_id: int) -> Job:
    row = connection.execute(select(*_COLUMNS).where(jobs.c.id == job_id)).one_or_none()
    if row is None:
        raise UnknownJob(f"there is no job {job_id}")
    return _job(row)


def _job(row: Row[Any]) -> Job:
    values: Any = row
    return Job(*values)
