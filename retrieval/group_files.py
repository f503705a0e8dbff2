"""Files of duplicate groups: one JSON line a group, by seqs. A file is whole or absent, and never changes."""

import json
import os
import re
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from index_store import Found, Link
from index_store.files import sync
from index_store.reserve import told_if_full
from retrieval.errors import BadPayload, ResultGone

KEPT = 8  # files a collection
ABANDONED_S = 86_400  # a file that is not finished by then never will be
_CURSOR = re.compile(r"([0-9a-f]{16})-([0-9a-f]{16})\.([0-9]{1,15})", re.ASCII)


@dataclass(frozen=True)
class Key:
    """What groups were asked for, and what collections and marks were like then; 16 hexadecimal digits each."""

    question: str
    state: str


@dataclass(frozen=True)
class Cursor:
    """Where a page begins: so many bytes into the file of `key`."""

    key: Key
    offset: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises BadPayload."""
        found = _CURSOR.fullmatch(text)
        if not found:
            raise BadPayload("after: not the `next` of an earlier page")
        return cls(Key(found[1], found[2]), int(found[3]))

    def __str__(self) -> str:
        return f"{self.key.question}-{self.key.state}.{self.offset}"


@dataclass(frozen=True)
class GroupFiles:
    """The results that are kept of one collection, in a folder of its own."""

    folder: Path

    def has(self, key: Key) -> bool:
        return self._path(key).is_file()

    def newest(self, question: str) -> Key | None:
        """Of the results that answer this question."""
        found = [path for path in self._finished() if path.stem.startswith(f"{question}-")]
        return Key(question, found[0].stem.partition("-")[2]) if found else None

    def check(self, begin: Cursor) -> None:
        """Raises ResultGone, and BadPayload where no group begins."""
        with self._opened(begin.key) as file:
            last = min(begin.offset, file.seek(0, os.SEEK_END)) - 1
            file.seek(max(last, 0))
            if begin.offset and (last + 1 < begin.offset or file.read(1) != b"\n"):
                raise BadPayload("after: not the `next` of an earlier page")

    def read(self, begin: Cursor) -> Iterator[tuple[Found, Cursor | None]]:
        """Groups from there on, each with where the next begins. Raises ResultGone."""
        with self._opened(begin.key) as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(begin.offset)
            while line := file.readline():
                here = file.tell()
                yield _parsed(line), Cursor(begin.key, here) if here < end else None

    @contextmanager
    def writing(self, key: Key) -> Iterator[Callable[[Iterable[Found]], None]]:
        """Gives what appends groups to the file of `key`, which is there once this ends well; drops the oldest."""
        with told_if_full(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        aside = self.folder / f".{uuid.uuid4().hex}.tmp"
        try:
            with told_if_full(aside), aside.open("wb") as file:
                yield lambda groups: file.writelines(map(_line, groups))
            sync(aside)
            aside.replace(self._path(key))
        finally:
            aside.unlink(missing_ok=True)
        self._tidy()

    def _opened(self, key: Key) -> BinaryIO:
        try:
            return self._path(key).open("rb")
        except FileNotFoundError:
            raise ResultGone("these pages are no longer kept; ask again without `after`") from None

    def _path(self, key: Key) -> Path:
        return self.folder / f"{key.question}-{key.state}.jsonl"

    def _finished(self) -> list[Path]:
        """Newest first."""
        return sorted(self.folder.glob("*.jsonl"), key=_age)

    def _tidy(self) -> None:
        abandoned = [path for path in self.folder.glob(".*.tmp") if _age(path) > ABANDONED_S]
        for path in [*self._finished()[KEPT:], *abandoned]:
            path.unlink(missing_ok=True)


def _line(group: Found) -> bytes:
    return json.dumps([group.keeper, [[link.seq, link.score, link.marked] for link in group.links]]).encode() + b"\n"


def _parsed(line: bytes) -> Found:
    keeper, links = json.loads(line)
    return Found(keeper, tuple(Link(*link) for link in links))


def _age(path: Path) -> float:
    """Seconds since the file was written; endless if it is gone."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")
