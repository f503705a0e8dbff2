"""What a check of a delivery found, as the report takes it."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from reports.thumbnails import CallSource, FileSource, Source

SHA256 = re.compile("[0-9a-f]{64}")
Verdict = Literal["new", "exact", "identical", "near", "indeterminate", "unreadable"]


@dataclass(frozen=True)
class Shown:
    """A picture, by whatever is known of it: a file of the delivery, or one that a collection has.

    path:      absolute, as `os.fsdecode` gives it; None where there is no such file on this machine.
    source:    a URL, path or name that a collection has it from.
    sha256:    of its bytes, in hexadecimal. A file that has another one by now is not shown.
    thumbnail: gives the bytes of a picture file of it, as a service keeps them, or None; it may raise OSError, and is
               called from any thread.
    """

    path: str | None = None
    id: str | None = None
    collection: str | None = None
    source: str | None = None
    sha256: str | None = None
    size: int | None = None
    width: int | None = None
    height: int | None = None
    format: str | None = None
    mtime_ns: int | None = None
    thumbnail: Callable[[], bytes | None] | None = field(default=None, compare=False, repr=False)

    @property
    def label(self) -> str:
        """What it is called: its path, or else its id or source; its last part is its name."""
        return self.path or self.id or self.source or "?"

    @property
    def key(self) -> str:
        """Of its content, 64 hexadecimal digits; of where it is, while that is not known."""
        known = (self.path, self.collection, self.id, self.source)
        if self.sha256 and SHA256.fullmatch(self.sha256):  # it names a file, and comes from who knows where
            return self.sha256
        return hashlib.sha256(repr(known).encode("utf-8", "backslashreplace")).hexdigest()

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where its pixels are to be had, the best first."""
        file: tuple[Source, ...] = (FileSource(self.path, self.sha256),) if self.path else ()
        return (*file, CallSource(self.thumbnail)) if self.thumbnail else file


@dataclass(frozen=True)
class Match:
    """A picture that a delivered one is a copy of, or could be.

    score: cosine in [-1, 1], higher is closer. confidence: the part of such matches that are copies.
    """

    picture: Shown
    relation: str
    score: float | None = None
    confidence: float | None = None


@dataclass(frozen=True)
class Checked:
    """A delivered picture, its verdict, what it was found to match, the best first, and why it could not be judged."""

    picture: Shown
    verdict: Verdict
    matches: tuple[Match, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class CheckAbout:
    """What was checked: which folders, against which collections, of which service or data folder, and how."""

    made_at: datetime
    delivery: tuple[str, ...]
    against: tuple[str, ...]
    where: str
    threshold: float | None = None
    fingerprint: str = ""
    troubles: tuple[tuple[str, str], ...] = ()  # paths of files or folders that could not be looked at, and why
