"""What happens during a soak, noted by many threads."""

import threading
from collections import Counter
from dataclasses import dataclass
from time import monotonic

KEPT_ERRORS = 50


class Wrong(Exception):
    """The service answered otherwise than it must."""


@dataclass(frozen=True)
class Request:
    """One answered request; started: seconds of the monotonic clock."""

    kind: str
    started: float
    ms: float
    status: int


@dataclass(frozen=True)
class Rebuild:
    """A rebuild under way from `started` to `ended`, with what the job says of it."""

    started: float
    ended: float
    result: dict[str, object]


class Record:
    """Requests, errors and rebuilds, and when which picture was deleted."""

    def __init__(self) -> None:
        self.requests: list[Request] = []  # appending and reading the length need no lock
        self.rebuilds: list[Rebuild] = []
        self.deleted: dict[str, float] = {}
        self.first_errors: list[str] = []
        self.errors = 0
        self._lock = threading.Lock()

    def error(self, what: str) -> None:
        """Count it, and keep it if it is one of the first."""
        with self._lock:
            self.errors += 1
            if len(self.first_errors) < KEPT_ERRORS:
                self.first_errors.append(what)

    def delete(self, image_id: str) -> None:
        """From now on no answer to a request that begins may show it."""
        self.deleted[image_id] = monotonic()

    def check_living(self, ids: list[str], asked_at: float) -> None:
        """Raises Wrong where an answer shows what was deleted before it was asked for."""
        ghosts = [each for each in ids if self.deleted.get(each, asked_at) < asked_at]
        if ghosts:
            raise Wrong(f"deleted pictures in an answer: {ghosts[:3]}")

    def statuses(self) -> dict[str, dict[int, int]]:
        """How often each kind of request got each status."""
        counts = Counter((each.kind, each.status) for each in list(self.requests))
        found: dict[str, dict[int, int]] = {}
        for (kind, status), count in sorted(counts.items()):
            found.setdefault(kind, {})[status] = count
        return found
