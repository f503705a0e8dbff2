"""What a database says when it cannot go on -> this package's errors, with what to do about it."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from index_store.errors import CatalogUnavailable, StorageFull

# SQLite says IOERR_WRITE where a quota or a process's limit ends what it may write.
FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE}
PG_DISK_FULL = "53100"
DAMAGED = "; it is damaged: stop the service and put a backup back (docs/operations.md)"
ADVICE = {
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
    sqlite3.SQLITE_BUSY: "; another program holds it: try again once that has ended",
}


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Trouble with the database becomes CatalogUnavailable or StorageFull; a broken constraint is the caller's."""
    try:
        yield
    except IntegrityError:
        raise
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise _translated(where, error) from error


def _translated(where: str, error: Exception) -> CatalogUnavailable | StorageFull:
    cause = getattr(error, "orig", None) or error
    code = getattr(cause, "sqlite_errorcode", None)
    if code in FULL or getattr(cause, "sqlstate", None) == PG_DISK_FULL:
        return StorageFull(f"no room to write the catalog: {cause}; make room and try again; searches go on")
    advice = ADVICE.get(code & 0xFF, "") if code else ""
    return CatalogUnavailable(f"the catalog {where} cannot be used: {cause}{advice}")
