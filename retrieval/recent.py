"""Vectors of the latest pictures: who searches for one and then adds it has it embedded once."""

from collections import OrderedDict
from threading import Lock

from extractor.interface import Vectors
from retrieval.turns import asking

Key = tuple[str | None, str]


class RecentVectors:
    """The latest `most` vectors (D,), by the SHA-256 of the bytes and by caller.

    By caller, since the time that an answer takes would tell others what somebody has asked about.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._vectors: OrderedDict[Key, Vectors] = OrderedDict()
        self._lock = Lock()

    def of(self, sha256: str) -> Vectors | None:
        """What the present caller's picture of these bytes has, if it is still remembered."""
        with self._lock:
            return self._vectors.get((asking.get(), sha256))

    def keep(self, sha256: str, vector: Vectors) -> None:
        """Remember it, in place of the oldest."""
        with self._lock:
            self._vectors[asking.get(), sha256] = vector.copy()  # of a batch, it would keep all the others
            if len(self._vectors) > self._most:
                self._vectors.popitem(last=False)
