"""What this crawl has seen: a set on the disk, and of pictures under way, who came first."""

import sqlite3
import uuid
from collections.abc import Iterable
from pathlib import Path

from scrapy.utils.defer import maybe_deferred_to_future
from twisted.internet.defer import Deferred

FILE = "dedup.db"
SCHEMA = """
CREATE TABLE IF NOT EXISTS seen (key TEXT PRIMARY KEY, url TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS crawl (id TEXT NOT NULL);
"""


class Seen:
    """Keys of URLs and of bytes, each with the URL that it was first seen at. For one thread.

    What is noted is known for as long as the crawl's process runs; what is kept, for as long as its JOBDIR is there.
    A commit writes a page or two to the log of SQLite and waits for no disk, so the reactor may do it.
    """

    def __init__(self, jobdir: str | None) -> None:
        self._database = sqlite3.connect(Path(jobdir) / FILE if jobdir else ":memory:", isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.executescript(SCHEMA)
        self._noted: dict[str, str] = {}
        self._under_way: dict[str, list[Deferred[None]]] = {}
        self.crawl = self._crawl()

    def _crawl(self) -> str:
        """Names the crawl, also once it goes on in another process."""
        found = self._database.execute("SELECT id FROM crawl").fetchone()
        if found:
            return str(found[0])
        made = uuid.uuid4().hex
        self._database.execute("INSERT INTO crawl VALUES (?)", (made,))
        return made

    async def claim(self, key: str) -> str | None:
        """The URL at which it was seen before; or None, and the caller has to `settle` it.

        Waits for whoever is first to have settled it, if somebody is.
        """
        while (url := self._find(key)) is None:
            if key not in self._under_way:
                self._under_way[key] = []
                return None
            settled: Deferred[None] = Deferred()
            self._under_way[key].append(settled)
            await maybe_deferred_to_future(settled)
        return url

    def settle(self, key: str, url: str | None) -> None:
        """The claimed key is seen at `url`, or, if that is None, is as if it had never come."""
        if url is not None:
            self._noted[key] = url
        for waiting in self._under_way.pop(key):
            waiting.callback(None)

    def keep(self, keys: Iterable[str]) -> None:
        """Those of them that are noted become lasting."""
        rows = [(key, self._noted.pop(key)) for key in keys if key in self._noted]
        if rows:
            self._database.execute("BEGIN")
            self._database.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?)", rows)
            self._database.execute("COMMIT")

    def close(self) -> None:
        """Ends the use of the file."""
        self._database.close()

    def _find(self, key: str) -> str | None:
        if key in self._noted:
            return self._noted[key]
        found = self._database.execute("SELECT url FROM seen WHERE key = ?", (key,)).fetchone()
        return str(found[0]) if found else None
