"""Vectors of the parts of pictures on disk, by way of the cache."""

from collections.abc import Generator, Sequence
from concurrent.futures import Executor, Future
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cleaning.cache import Cache
from cleaning.reading import BATCH, read_again
from cleaning.scan import Found
from extractor import NoEmbedding, Parts
from extractor.interface import normalised
from retrieval.errors import InputError
from retrieval.pipeline import in_batches
from retrieval.settings import InputSettings

HELD = 4096  # pictures whose parts are in memory, some 16 KB each
SAVED_EVERY = 512  # pictures
Matrix = NDArray[np.float32]
Item = tuple[str, Found]  # SHA-256 in hex, and a file with that content


class DiskParts:
    """Makes and keeps unit vectors of parts. `key` names the extractors that they are of; D is `dim`."""

    def __init__(self, cache: Cache, limits: InputSettings, parts: Parts, key: str, dim: int) -> None:
        self._cache = cache
        self._limits = limits
        self._parts = parts
        self._key = key
        self._dim = dim
        self.of = lru_cache(HELD)(self._of)

    def missing(self, hashes: Sequence[str]) -> set[str]:
        """Those of the contents whose parts the cache does not hold."""
        return set(hashes) - {sha256 for sha256, _ in self._cache.rows(self._key, hashes)}

    def make(self, items: Sequence[Item]) -> Generator[None, None, None]:
        """Of each content, one after the other; of what cannot be read any more there are none."""
        for number, (sha256, rows) in enumerate(in_batches(items, BATCH, self._begin, _ended, iter)):
            if rows is not None:
                self._cache.put_rows(self._key, sha256, rows.astype(np.float16).tobytes())
            if number % SAVED_EVERY == 0:
                self._cache.commit()
            yield
        self._cache.commit()

    def _begin(self, pool: Executor, batch: list[Item]) -> list["Future[tuple[str, Matrix | None]]"]:
        return [pool.submit(self._made, *item) for item in batch]

    def _made(self, sha256: str, file: Found) -> tuple[str, Matrix | None]:
        try:
            picture = read_again(file, sha256, self._limits)
            rows = self._parts.rows(picture.image)
        except (InputError, OSError, NoEmbedding):
            return sha256, None
        return sha256, normalised(rows) if len(rows) else rows

    def _of(self, sha256: str) -> Matrix:
        """Unit vectors (P, D) of a content's parts."""
        for _, data in self._cache.rows(self._key, [sha256]):
            return np.frombuffer(data, np.float16).reshape(-1, self._dim).astype(np.float32)
        return np.empty((0, self._dim), np.float32)


def _ended(batch: list["Future[tuple[str, Matrix | None]]"]) -> list[tuple[str, Matrix | None]]:
    return [each.result() for each in batch]
