"""Connections to the catalog: reads that see the newest commit, and writes one after the other."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, make_url, select

from index_store import database
from index_store.catalog_file import CatalogFile
from index_store.errors import StorageFull
from index_store.reserve import Reserve
from index_store.schema import clock
from index_store.trouble import explained
from index_store.version import Version

_WRITE_LOCK = select(clock.c.value).with_for_update()


class Transactions:
    """Reading from and writing to one database; safe to share between threads, and between processes by URL."""

    def __init__(self, url: str, reserve: Reserve = Reserve()) -> None:  # noqa: B008  # immutable
        """`reserve` is what adds leave free on an SQLite catalog's disk. Raises CatalogUnavailable, StorageFull."""
        with explained(""):
            self._where = make_url(url).render_as_string(hide_password=True)
            self._file = CatalogFile.of(url)
        self.reserve = reserve
        try:
            self._connect(url)
        except BaseException:
            self._file.close()
            raise
        # Threads queue here in turn: SQLite's own waiting sleeps, and is unfair.
        self._write_turn = threading.Lock()

    def _connect(self, url: str) -> None:
        self._file.check_content()
        try:
            self.engine = self._opened(url)
        except StorageFull:
            self._file.spend_reserve()
            self.engine = self._opened(url)
        self._file.remember()
        # Single statements need no transaction, and SQLite has none here unless it is begun.
        self._reader = self.engine
        if self.engine.dialect.name != "sqlite":
            self._reader = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._writer = self.engine.execution_options(writing=True)
        self._version = Version(self.engine)

    def _opened(self, url: str) -> Engine:
        with explained(self._where):
            return database.connect(url)

    def close(self) -> None:
        """Give back every connection."""
        self._version.close()
        self.engine.dispose()
        self._file.close()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection on which every statement sees the newest commit."""
        self._file.check()
        with explained(self._where), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def writing(self, adds: bool = False) -> Iterator[Connection]:
        """A transaction that holds the write lock from its start; commits durably on exit, rolls back on an error.

        Raises StorageFull where there is no room, of what `adds` while there is still some for the rest.
        """
        self._file.check()
        if adds and self._file.path:
            self.reserve.check(self._file.path.parent)
        with explained(self._where), self._write_turn, self._writer.begin() as connection:
            if self.engine.dialect.name != "sqlite":  # which has begun with it
                connection.execute(_WRITE_LOCK)
            yield connection

    def version(self) -> int | None:
        """A number that every commit of any process changes, for `Unchanged`; None where there is none.

        Raises CatalogUnavailable.
        """
        self._file.check()
        with explained(self._where):
            return self._version.now()

    def check(self) -> None:
        """Returns soon if what is remembered can be read. Raises CatalogUnavailable.

        SQLite's file is not opened anew for it: where another has been put in its place, the log of the one in use,
        which goes by name, would be taken for that one's, and be deleted.
        """
        with self.reading() as connection:
            connection.execute(select(clock.c.value)).one()

    def size(self) -> int:
        """Bytes of the whole catalog."""
        with self.reading() as connection:
            return database.size(self.engine, connection)
