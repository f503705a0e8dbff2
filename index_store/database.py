"""The database that holds the catalog: engines, connections, and tables put in place."""

import sqlite3
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, func, insert, inspect, select, update

from index_store.errors import CatalogUnavailable
from index_store.migration import migrate
from index_store.schema import clock, metadata

VERSION = 3
BUSY_TIMEOUT_S = 60


def connect(url: str) -> Engine:
    """An engine for `url` with all tables in place.

    A plain connection reads statement by statement; one from `writing` options opens its transaction with the
    write lock already held, so that what it reads cannot change before it commits. Raises CatalogUnavailable.
    """
    # Parameters are vectors, and what clients have sent: no matter for messages and logs.
    # The connection that was used last is used next: each keeps 2 MB of pages, and only as many as are needed fill up.
    options: dict[str, Any] = {"pool_size": 64, "max_overflow": -1, "pool_use_lifo": True, "hide_parameters": True}
    if url.startswith("sqlite"):
        options["connect_args"] = {"timeout": BUSY_TIMEOUT_S, "check_same_thread": False}
    try:
        engine = create_engine(url, **options)
    except ModuleNotFoundError as error:
        raise CatalogUnavailable(f"this kind of catalog needs a driver that is not installed: {error}") from None
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    try:
        if not _is_current(engine):
            with engine.execution_options(writing=True).begin() as connection:
                _create(connection)
    except BaseException:
        engine.dispose()
        raise
    return engine


def size(engine: Engine, reader: Connection) -> int:
    """Bytes of the database; SQLite's log of newest changes is a part of it."""
    if engine.dialect.name != "sqlite":
        return int(reader.scalar(select(func.pg_database_size(func.current_database()))) or 0)
    files = (Path(f"{engine.url.database}{ending}") for ending in ("", "-wal"))
    return sum(file.stat().st_size for file in files if file.exists())


def _configure_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    _switch_to_wal(connection)
    connection.execute("PRAGMA synchronous = FULL")  # a commit is on the disk before it is acknowledged
    connection.execute("PRAGMA foreign_keys = ON")


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Where several processes open a new catalog at once, SQLite refuses all but one of them without waiting."""
    deadline = monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or monotonic() > deadline:
                raise
        sleep(0.01)


def _begin_sqlite(connection: Connection) -> None:
    if connection.get_execution_options().get("writing"):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _is_current(engine: Engine) -> bool:
    """Whether all is in place, so that opening it waits for nobody who writes and writes nothing itself."""
    with engine.connect() as connection:
        complete = metadata.tables.keys() <= set(inspect(connection).get_table_names())
        return complete and connection.scalar(select(clock.c.schema_version)) == VERSION


def _create(connection: Connection) -> None:
    version = _version(connection)
    if version is not None and not 1 <= version <= VERSION:
        raise CatalogUnavailable(f"the catalog has schema version {version}, this program reads 1 to {VERSION}")
    metadata.create_all(connection)
    if version is None:
        connection.execute(insert(clock).values(id=1, value=0, schema_version=VERSION))
    elif version < VERSION:
        migrate(connection, version)
        connection.execute(update(clock).values(schema_version=VERSION))


def _version(connection: Connection) -> int | None:
    """The schema version of the catalog, None where there is no catalog yet."""
    present = set(inspect(connection).get_table_names())
    if clock.name in present:
        return connection.scalar(select(clock.c.schema_version))
    if taken := sorted(present & metadata.tables.keys()):
        raise CatalogUnavailable(f"the database is not a catalog of this program, yet has tables named {taken}")
    return None
