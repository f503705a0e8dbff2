"""How many requests may wait for other servers at a time: fewer than there are threads, for the sake of the others."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock

from retrieval.payload import any_url
from retrieval.reception import Overloaded
from retrieval.turns import asking


class Fetches:
    """Places for requests with URLs, in one process. One caller gets three quarters of them at most."""

    def __init__(self, at_once: int) -> None:
        self._most = at_once
        self._most_of_one = at_once - at_once // 4
        self._held: Counter[str | None] = Counter()  # by caller
        self._lock = Lock()

    @contextmanager
    def place(self, sources: Sequence[object]) -> Iterator[None]:
        """Holds a place where one of the pictures is a URL. Raises Overloaded where none is left."""
        if not any_url(sources):
            yield
            return
        caller = asking.get()
        self._take(caller)
        try:
            yield
        finally:
            with self._lock:
                self._held[caller] -= 1
                self._held += Counter()  # drops those who hold none

    def _take(self, caller: str | None) -> None:
        # Who is nobody in particular (see `asking`) is not kept from the rest.
        most_of_one = self._most if caller is None else self._most_of_one
        with self._lock:
            if self._held.total() >= self._most or self._held[caller] >= most_of_one:
                much = "Too many pictures are being fetched already; send this again, or the picture itself."
                raise Overloaded(much, retry_after=2)
            self._held[caller] += 1
