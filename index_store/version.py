"""Whether a catalog is still as it was: what was read of it needs reading again only after a commit."""

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, Generic, TypeVar

from sqlalchemy import Engine

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Version:
    """A number of an SQLite catalog that every commit changes, of any process; found out in microseconds."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._turn = Lock()
        self._connection: Any = None

    def now(self) -> int | None:
        """None of other databases, which are read again each time. Raises SQLAlchemyError, sqlite3.Error."""
        if self._engine.dialect.name != "sqlite":
            return None
        with self._turn:
            if self._connection is None:
                # Of its own, for it tells of what other connections commit; nothing is written with it.
                self._connection = self._engine.raw_connection()
            # All rows: a statement that is not done would keep the log of changes from being put back to its start.
            ((version,),) = self._connection.driver_connection.execute("PRAGMA data_version").fetchall()
        return int(version)

    def close(self) -> None:
        """Give the connection back. May be called again."""
        with self._turn:
            if self._connection is not None:
                self._connection.close()
            self._connection = None


class Unchanged(Generic[Key, Value]):
    """What was read by key, while the catalog is as it was just before. Safe to share between threads."""

    def __init__(self, version: Callable[[], int | None], read: Callable[[Key], Value]) -> None:
        self._version = version
        self._read = read
        self._held: tuple[int | None, dict[Key, Value]] = None, {}

    def get(self, key: Key) -> Value:
        """As the newest commit has it. What `read` raises is raised, and not held."""
        version = self._version()
        if version is None:
            return self._read(key)
        held, values = self._held
        if held != version:
            values = {}
            self._held = version, values
        # What is read now may be newer than the version it is held for, never older.
        if key not in values:
            values[key] = self._read(key)
        return values[key]
