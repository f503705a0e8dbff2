"""What is known of files and their contents, so that nothing is read, decoded or embedded twice. An SQLite file.

A file is known by path, size, time of change and inode; a content by its SHA-256; a vector by that and the extractor.
So a file that was moved or copied is read again, and not embedded. Any number of runs may use it at once. All of it can
be deleted at any time.
"""

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path
from threading import RLock
from time import time
from typing import Any

from cleaning.riches import PLAIN, Riches
from cleaning.scan import Found

NAME = "dedupe-3.sqlite"  # the number rises with the tables, and with what a Content says
KEPT_DAYS = 180  # what no run has used for so long is forgotten
REFRESHED_DAYS = 7  # the day of the last use is right to so many
WAIT_S = 60.0
AT_ONCE = 500  # values in one statement
TABLES = """
CREATE TABLE IF NOT EXISTS files (path BLOB PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    inode INTEGER NOT NULL, sha256 BLOB NOT NULL, used INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS contents (sha256 BLOB PRIMARY KEY, facts TEXT NOT NULL, used INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rows (sha256 BLOB, extractor TEXT, vectors BLOB NOT NULL, used INTEGER NOT NULL,
    PRIMARY KEY (sha256, extractor));
"""


@dataclass(frozen=True, slots=True)
class Content:
    """What a file's bytes show.

    pixels:        digest of its pixels and their size, in hex; empty where it could not be decoded.
    format:        Pillow's name; width and height are in pixels; 0 and empty where it could not be decoded.
    indeterminate: whether there is too little in it for its vector to say anything.
    moves:         whether there are more frames or pages than the one that was looked at.
    metadata:      what its EXIF says.
    failure:       why it could not be decoded, `limits` being those it was judged by.
    is_picture:    whether it may be one all the same, which is merely too large.
    riches:        what it holds beyond what is compared.
    """

    pixels: str = ""
    width: int = 0
    height: int = 0
    format: str = ""
    indeterminate: bool = True
    moves: bool = False
    metadata: tuple[tuple[str, str], ...] = ()
    failure: str = ""
    is_picture: bool = True
    limits: str = ""
    riches: Riches = PLAIN


class DamagedCache(Exception):
    """The file is no database, or one that is damaged."""


class Cache:
    """The cache in a folder. Every method may be called from several threads; what is put is there after `commit`."""

    def __init__(self, folder: Path) -> None:
        """Raises DamagedCache, OSError."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = RLock()
        self._today = int(time() / 86400)
        with _told():
            self._database = sqlite3.connect(
                folder / NAME, timeout=WAIT_S, check_same_thread=False, isolation_level=None
            )
            try:
                self._database.execute("PRAGMA journal_mode = WAL")
                self._database.execute("PRAGMA synchronous = NORMAL")
                self._database.executescript(TABLES)
            except BaseException:
                self._database.close()
                raise
        self._waiting: list[Callable[[sqlite3.Connection], object]] = []

    def close(self) -> None:
        """Keeps what was put."""
        try:
            self.commit()
        finally:
            self._database.close()

    def hashes(self, files: Sequence[Found]) -> dict[str, str]:
        """SHA-256, in hex, of those of the files that are as they were when they were read, by path."""
        stamps = {os.fsencode(file.path): file for file in files}
        found = {}
        select = "SELECT path, size, mtime_ns, inode, sha256, used FROM files WHERE path IN ({})"
        for path, size, mtime_ns, inode, sha256, used in self._select(select, list(stamps)):
            if stamps[path].stamp == (size, mtime_ns, inode) and len(sha256) == 32:
                found[stamps[path].path] = sha256.hex()
                self._used("UPDATE files SET used = ? WHERE path = ?", used, path)
        return found

    def put_hash(self, file: Found, sha256: str) -> None:
        row = (os.fsencode(file.path), *file.stamp, bytes.fromhex(sha256), self._today)
        self._later("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)", row)

    def contents(self, hashes: Iterable[str]) -> Iterator[tuple[str, Content]]:
        """Those that are known, with their SHA-256 in hex."""
        keys = [bytes.fromhex(sha256) for sha256 in hashes]
        for sha256, facts, used in self._select("SELECT sha256, facts, used FROM contents WHERE sha256 IN ({})", keys):
            if content := _content(facts):
                self._used("UPDATE contents SET used = ? WHERE sha256 = ?", used, sha256)
                yield sha256.hex(), content

    def put_content(self, sha256: str, content: Content) -> None:
        facts = json.dumps(astuple(content))
        self._later("INSERT OR REPLACE INTO contents VALUES (?, ?, ?)", (bytes.fromhex(sha256), facts, self._today))

    def rows(self, extractor: str, hashes: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """What was put for these contents, with their SHA-256 in hex."""
        keys = [bytes.fromhex(sha256) for sha256 in hashes]
        select = "SELECT sha256, vectors, used FROM rows WHERE extractor = ? AND sha256 IN ({})"
        for sha256, vectors, used in self._select(select, keys, extractor):
            self._used("UPDATE rows SET used = ? WHERE sha256 = ? AND extractor = ?", used, sha256, extractor)
            yield sha256.hex(), vectors

    def put_rows(self, extractor: str, sha256: str, vectors: bytes) -> None:
        row = (bytes.fromhex(sha256), extractor, vectors, self._today)
        self._later("INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?)", row)

    def commit(self) -> None:
        """Bring to the disk what was put. Raises DamagedCache, OSError."""
        with self._lock, _told():
            if not self._waiting:
                return
            self._database.execute("BEGIN IMMEDIATE")
            try:
                for change in self._waiting:
                    change(self._database)
                self._database.execute("COMMIT")
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._waiting.clear()

    def prune(self, days: int = KEPT_DAYS) -> int:
        """Forget what no run has used for so many days; how many rows that were."""
        self.commit()
        with self._lock, _told():
            tables = ("files", "contents", "rows")
            last = self._today - days
            return sum(
                self._database.execute(f"DELETE FROM {table} WHERE used <= ?", (last,)).rowcount  # noqa: S608
                for table in tables
            )

    def _select(self, statement: str, keys: list[bytes], *before: str) -> Iterator[tuple[Any, ...]]:
        for start in range(0, len(keys), AT_ONCE):
            some = keys[start : start + AT_ONCE]
            with self._lock, _told():
                marks = ", ".join("?" * len(some))
                found = self._database.execute(statement.format(marks), (*before, *some)).fetchall()
            yield from found

    def _used(self, statement: str, used: int, *key: object) -> None:
        if used <= self._today - REFRESHED_DAYS:
            self._later(statement, (self._today, *key))

    def _later(self, statement: str, row: tuple[object, ...]) -> None:
        with self._lock:
            self._waiting.append(partial(_execute, statement, row))


def _execute(statement: str, row: tuple[object, ...], database: sqlite3.Connection) -> None:
    database.execute(statement, row)


def _content(facts: str) -> Content | None:
    """None for what another program has written."""
    try:
        values = json.loads(facts)
        values[6] = tuple((str(name), str(value)) for name, value in values[6])
        values[10] = Riches(*values[10])
        return Content(*values)
    except (ValueError, TypeError, IndexError):
        return None


@contextmanager
def _told() -> Iterator[None]:
    """SQLite's errors as ours."""
    try:
        yield
    except sqlite3.OperationalError as error:  # busy for a minute, a full disk, no permission
        raise OSError(f"the cache cannot be used: {error}") from error
    except sqlite3.DatabaseError as error:
        raise DamagedCache(str(error)) from error


def set_aside(folder: Path) -> Path:
    """Move a damaged cache out of the way; where to. Raises OSError."""
    aside = folder / f"{NAME}.damaged"
    (folder / NAME).replace(aside)
    for ending in ("-wal", "-shm"):
        (folder / f"{NAME}{ending}").unlink(missing_ok=True)
    return aside


def default_folder() -> Path:
    """Of the user: below XDG_CACHE_HOME, or ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return Path(base if Path(base).is_absolute() else Path("~/.cache").expanduser(), "imageretrieval")
