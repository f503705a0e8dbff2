"""A consistent copy of an SQLite catalog while others read and write it."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from index_store.database import BUSY_TIMEOUT_S, VERSION
from index_store.errors import CatalogUnavailable, StorageFull
from index_store.files import sync
from index_store.integrity import trouble_in
from index_store.trouble import FULL

PAGES = 2000  # between two reports
Report = Callable[[int, int], None]  # pages done, and of how many


@dataclass(frozen=True)
class CatalogFacts:
    """What a catalog holds: its clock, and the pictures of each collection that are not deleted."""

    schema_version: int
    clock: int
    collections: dict[str, int]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Changes nothing at `path`, a catalog that nobody uses. Raises CatalogUnavailable."""
        try:
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
                version, clock = connection.execute("SELECT schema_version, value FROM clock").fetchone()
                counted = connection.execute(
                    "SELECT name, count(images.seq) FROM collections LEFT JOIN images"
                    " ON collection_key = key AND deleted_seq IS NULL GROUP BY key ORDER BY name"
                )
                return cls(version, clock, dict(counted.fetchall()))
        except (sqlite3.Error, TypeError) as error:
            raise CatalogUnavailable(f"{path} is no catalog that can be read: {error}") from error


def copy_catalog(source: Path, target: Path, report: Report) -> CatalogFacts:
    """Copy every commit up to now into a new file, which needs no other beside it; nobody waits for it.

    Raises CatalogUnavailable, StorageFull.
    """
    try:
        with closing(_reading(source)) as connection, closing(sqlite3.connect(target)) as copy:
            connection.backup(copy, pages=PAGES, progress=lambda _status, left, of: report(of - left, of))
            copy.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        kind = StorageFull if getattr(error, "sqlite_errorcode", None) in FULL else CatalogUnavailable
        raise kind(f"the catalog {source} cannot be copied to {target}: {error}") from error
    sync(target)
    return checked(target)


def checked(path: Path) -> CatalogFacts:
    """What a catalog that nobody uses holds. Raises CatalogUnavailable where it is damaged or of a later program."""
    if trouble := trouble_in(path):
        raise CatalogUnavailable(f"{path} is damaged: {trouble}")
    facts = CatalogFacts.read(path)
    if not 1 <= facts.schema_version <= VERSION:
        raise CatalogUnavailable(
            f"{path} has schema version {facts.schema_version}, this program reads 1 to {VERSION}: use a newer one"
        )
    return facts


def _reading(source: Path) -> sqlite3.Connection:
    """A connection within one read transaction: the copy is of that moment and begins anew for no commit after it."""
    connection = sqlite3.connect(
        f"{source.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None
    )
    connection.execute("BEGIN")
    connection.execute("SELECT value FROM clock").fetchone()
    return connection
