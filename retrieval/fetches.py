"""How many requests may wait for other servers at a time: fewer than there are threads, for the sake of the others."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import BoundedSemaphore

from retrieval.payload import any_url
from retrieval.reception import Overloaded


class Fetches:
    """Places for requests with URLs, in one process."""

    def __init__(self, at_once: int) -> None:
        self._places = BoundedSemaphore(at_once)

    @contextmanager
    def place(self, sources: Sequence[object]) -> Iterator[None]:
        """Holds a place where one of the pictures is a URL. Raises Overloaded where none is left."""
        if not any_url(sources):
            yield
            return
        if not self._places.acquire(blocking=False):
            much = "Too many pictures are being fetched already; send this again, or the picture itself."
            raise Overloaded(much, retry_after=2)
        try:
            yield
        finally:
            self._places.release()
