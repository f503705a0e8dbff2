"""Which free pictures reach a score with each of a batch of keepers, by one of two ways through a snapshot."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from index_store.census import Census, Places
from index_store.ranking import SLACK
from index_store.records import Scores, Vectors
from index_store.scoring import TOLERANCE, pair_cosines

FIRST_LOOK = 32  # neighbours, of each of a batch; further ones are looked for one keeper at a time
DEEPER = 4
ROWS = 4096  # vectors that are in memory at once
MOST_KEEPERS, FEWEST_KEEPERS = 256, 16
MASK_BYTES = 2**26


class Candidates(Protocol):
    """Looks for a batch of keepers at once, then gives the free matches of one at a time."""

    batch: int

    def look(self, keepers: Vectors) -> None:
        """Look around the stored vectors (Q, D) of keepers."""

    def of(self, row: int) -> Places:
        """Places of the pictures that are free by now and reach the score with the keeper of this row."""


class NoCandidates:
    """Where scores do not count."""

    batch = MOST_KEEPERS

    def look(self, keepers: Vectors) -> None:
        """Nothing to look for."""

    def of(self, row: int) -> Places:  # noqa: ARG002
        return np.empty(0, dtype=np.intp)


class ByProducts:
    """For a snapshot that is searched exactly anyway: matrix products, many times faster than a search each.

    Memory is that of one bit of knowledge for each keeper of the batch and each free picture.
    """

    def __init__(self, census: Census, least: float) -> None:
        self._census = census
        self._least = least
        self.batch = max(FEWEST_KEEPERS, min(MOST_KEEPERS, MASK_BYTES // max(1, len(census.seqs))))

    def look(self, keepers: Vectors) -> None:
        self._keepers = keepers
        self._places = np.flatnonzero(self._census.free)
        self._close = np.empty((len(keepers), len(self._places)), dtype=np.bool_)
        for start in range(0, len(self._places), ROWS):
            vectors = _vectors(self._census, self._places[start : start + ROWS])
            self._close[:, start : start + ROWS] = keepers @ vectors.T >= self._least - TOLERANCE

    def of(self, row: int) -> Places:
        close = self._places[self._close[row]]
        free: Places = close[self._census.free[close]]
        return free[scores_with(self._census, self._keepers[row], free) >= self._least]


class ByIndex:
    """For a snapshot with an IVF index. What is settled leaves the snapshot, so each search gives only what is free."""

    batch = MOST_KEEPERS

    def __init__(self, census: Census, least: float) -> None:
        self._census = census
        self._least = least
        self._snapshot = census.snapshot
        self._held = census.free.copy()

    def look(self, keepers: Vectors) -> None:
        self._keepers = keepers
        self._drop_settled()
        self._found = self._snapshot.search(keepers, FIRST_LOOK)

    def of(self, row: int) -> Places:
        depth, found = FIRST_LOOK, self._found[row]
        while True:
            places = self._census.places_of(found)
            free = places[self._census.free[places]]
            close = free[scores_with(self._census, self._keepers[row], free) >= self._least]
            # Those that are not free count as matches: below them, others may stand that are.
            if len(found) - len(free) + len(close) < depth - SLACK or depth >= self._snapshot.size:
                return close
            depth *= DEEPER
            self._drop_settled()
            (found,) = self._snapshot.search(self._keepers[row][None], depth)

    def _drop_settled(self) -> None:
        gone = self._held & ~self._census.free
        self._snapshot = self._snapshot.without(self._census.seqs[gone].tolist())
        self._held &= self._census.free


def candidates(census: Census, least: float) -> Candidates:
    """The way that suits the census's snapshot."""
    return ByProducts(census, least) if census.snapshot.is_exact else ByIndex(census, least)


def scores_with(census: Census, keeper: Vectors, places: Places) -> Scores:
    """Exact cosines (M,) of a keeper (D,) with the pictures at `places`; higher is closer."""
    scores = [
        pair_cosines(keeper[None], _vectors(census, places[start : start + ROWS]))
        for start in range(0, len(places), ROWS)
    ]
    return np.concatenate(scores) if scores else np.empty(0)


def _vectors(census: Census, places: NDArray[np.intp]) -> Vectors:
    return census.snapshot.vectors_of(census.seqs[places])
