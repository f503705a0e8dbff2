"""Libraries of nearest neighbours as their documentation begins, each behind the same four calls."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from index_store.records import Vectors
from scripts.benchmarking.vectors import DIM


class Peer(ABC):
    """An index of inner products, of one library. Vectors are (N, DIM); their numbers are their places, from 0."""

    @abstractmethod
    def build(self, vectors: Vectors) -> None:
        """With all cores."""

    @abstractmethod
    def save(self, path: Path) -> None:
        """To one file."""

    @abstractmethod
    def load(self, path: Path) -> None:
        """The same again, in another process."""

    @abstractmethod
    def nearest(self, query: Vectors) -> int:
        """The number of the vector found first for one query (1, DIM), on one thread; -1: none."""


class Faiss(Peer):
    """What `make` gives, with FAISS's default for what to look at in a search."""

    def __init__(self, make: Callable[[int], Any]) -> None:
        self._make = make

    def build(self, vectors: Vectors) -> None:
        self._index = self._make(len(vectors))
        self._index.train(vectors)
        self._index.add(vectors)

    def save(self, path: Path) -> None:
        faiss.write_index(self._index, str(path))

    def load(self, path: Path) -> None:
        faiss.omp_set_num_threads(1)
        self._index = faiss.read_index(str(path))

    def nearest(self, query: Vectors) -> int:
        return int(self._index.search(query, 1)[1][0, 0])


class USearch(Peer):
    """usearch.Index with its defaults: a graph of vectors in half the precision."""

    def __init__(self) -> None:
        from usearch.index import Index  # noqa: PLC0415  # may not be installed

        self._index = Index(ndim=DIM, metric="ip")

    def build(self, vectors: Vectors) -> None:
        self._index.add(np.arange(len(vectors)), vectors)

    def save(self, path: Path) -> None:
        self._index.save(str(path))

    def load(self, path: Path) -> None:
        self._index.load(str(path))

    def nearest(self, query: Vectors) -> int:
        found = self._index.search(query[0], 1, threads=1).keys
        return int(found.item()) if len(found) else -1


def _lists(size: int) -> int:
    """As FAISS's guidelines have it: four times the root of the number of vectors."""
    return max(1, min(size, round(4 * math.sqrt(size))))


def _flat(size: int) -> Any:  # noqa: ARG001
    return faiss.IndexFlatIP(DIM)


def _ivf(size: int) -> Any:
    return faiss.IndexIVFFlat(faiss.IndexFlatIP(DIM), DIM, _lists(size), faiss.METRIC_INNER_PRODUCT)


def _hnsw(size: int) -> Any:  # noqa: ARG001
    return faiss.IndexHNSWFlat(DIM, 32, faiss.METRIC_INNER_PRODUCT)


def _ivf_pq(size: int) -> Any:
    return faiss.IndexIVFPQ(faiss.IndexFlatIP(DIM), DIM, _lists(size), 64, 8, faiss.METRIC_INNER_PRODUCT)


PEERS: dict[str, Callable[[], Peer]] = {
    "FAISS, flat": lambda: Faiss(_flat),
    "FAISS, IVF": lambda: Faiss(_ivf),
    "FAISS, HNSW 32": lambda: Faiss(_hnsw),
    "FAISS, IVF PQ 64x8": lambda: Faiss(_ivf_pq),
    "usearch": USearch,
}
