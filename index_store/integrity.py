"""Whether the pages of an SQLite catalog hang together, as far as that can be told in a given time."""

import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from time import monotonic

from index_store.catalog_file import file_of
from index_store.errors import CatalogUnavailable
from index_store.trouble import DAMAGED

log = logging.getLogger(__name__)
STEPS = 10_000  # of SQLite's virtual machine between two looks at the time


def check_catalog(url: str, seconds: float) -> None:
    """Look through an SQLite catalog that exists, for so many seconds at most. Raises CatalogUnavailable if damaged."""
    path = file_of(url)
    if path is None or seconds == 0 or not path.is_file():
        return
    try:
        trouble = trouble_in(path, seconds)
    except TimeoutError:
        log.info("%g seconds were too few to look through all of the catalog (catalog.check_s)", seconds)
        return
    if trouble:
        raise CatalogUnavailable(f"the catalog {path} cannot be used: {trouble}{DAMAGED}")


def trouble_in(path: Path, seconds: float = float("inf")) -> str:
    """What is wrong with the pages of a database, in SQLite's words; empty if nothing. Raises TimeoutError."""
    deadline = monotonic() + seconds
    with closing(sqlite3.connect(path, timeout=seconds if seconds < float("inf") else 5)) as connection:
        connection.set_progress_handler(lambda: monotonic() > deadline, STEPS)
        try:
            found = [row[0] for row in connection.execute("PRAGMA quick_check(3)")]
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_BUSY):
                raise TimeoutError from None
            return str(error)
    return "" if found == ["ok"] else "; ".join(found)
