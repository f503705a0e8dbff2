"""Which of many vectors are close to each other: matrix products, block by block, each pair once."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from index_store.scoring import TOLERANCE, pair_cosines

ROWS, COLUMNS = 1024, 8192  # vectors in memory as float32 at a time
MOST = 512  # pairs a row; of what has more, a burst or a film's frames, the closest
Vectors = NDArray[np.float16]
Places = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Pairs:
    """P pairs of places, `left` (P,) and `right` (P,), and their scores (P,), higher is closer. No pair twice."""

    left: Places
    right: Places
    scores: NDArray[np.float64]

    @classmethod
    def none(cls) -> Self:
        return cls(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))

    @classmethod
    def joined(cls, several: "list[Pairs]") -> "Pairs":
        """All of them in one."""
        columns = zip(*((each.left, each.right, each.scores) for each in [cls.none(), *several]), strict=True)
        return Pairs(*map(np.concatenate, columns))

    def where(self, mask: NDArray[np.bool_]) -> "Pairs":
        """Those of the pairs that the mask (P,) has."""
        return Pairs(self.left[mask], self.right[mask], self.scores[mask])

    def __len__(self) -> int:
        return len(self.left)


def close_pairs(vectors: Vectors, fresh: NDArray[np.bool_], least: float) -> Iterator[tuple[int, Pairs]]:
    """Pairs of (N, D) vectors with a cosine of `least` or more, at least one of each pair being `fresh` (N,).

    Gives how many of the fresh ones are done, and the pairs that were found with the last of them.
    """
    places = np.flatnonzero(fresh)
    for start in range(0, len(places), ROWS):
        rows = places[start : start + ROWS]
        yield start + len(rows), Pairs.joined(list(_of_block(vectors, fresh, rows, least)))


def _of_block(vectors: Vectors, fresh: NDArray[np.bool_], rows: Places, least: float) -> Iterator[Pairs]:
    block = vectors[rows].astype(np.float32)
    found = np.zeros(len(rows), np.int64)
    for start in range(0, len(vectors), COLUMNS):
        columns = np.arange(start, min(start + COLUMNS, len(vectors)))
        new = fresh[columns]
        if new.all() and columns[-1] <= rows[0]:
            continue  # met from the other side
        scores = block @ vectors[columns].astype(np.float32).T
        if columns[0] <= rows[-1] and new.any():  # a pair of two fresh ones is met twice
            scores[new[None] & (columns[None] <= rows[:, None])] = -np.inf
        row, column = _best(scores, found, least)
        np.add.at(found, row, 1)
        yield _exact(vectors, rows[row], columns[column], least)


def _best(scores: NDArray[np.float32], found: Places, least: float) -> tuple[Places, Places]:
    """Rows and columns of what reaches `least`, and of rows that would have more than MOST no further ones."""
    reach = scores >= least - TOLERANCE
    for row in np.flatnonzero(found + reach.sum(axis=1) > MOST):
        room = max(MOST - int(found[row]), 0)
        order = np.argsort(-scores[row], kind="stable")
        reach[row, order[room:]] = False
    rows, columns = np.nonzero(reach)
    return rows, columns


def _exact(vectors: Vectors, left: Places, right: Places, least: float) -> Pairs:
    scores = pair_cosines(vectors[left], vectors[right])
    pairs = Pairs(left, right, scores)
    return pairs.where(scores >= least)
