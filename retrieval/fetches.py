"""How many requests may wait for other servers at a time: fewer than there are threads, for the sake of the others."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from retrieval.payload import any_url
from retrieval.reception import Overloaded
from retrieval.turns import Places, asking


class Fetches:
    """Places for requests with URLs, in one process."""

    def __init__(self, at_once: int) -> None:
        self._places = Places(at_once)

    @contextmanager
    def place(self, sources: Sequence[object]) -> Iterator[None]:
        """Holds a place where one of the pictures is a URL. Raises Overloaded where none is left for the caller."""
        if not any_url(sources):
            yield
            return
        caller = asking.get()
        if not self._places.take(caller):
            much = "Too many pictures are being fetched already; send this again, or the picture itself."
            raise Overloaded(much, retry_after=2)
        try:
            yield
        finally:
            self._places.give_back(caller)
