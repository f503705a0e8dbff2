"""How good a ranking is. Scores: higher is closer. Equal scores are never taken in an order that would flatter.

A threshold accepts all pairs of a score or none of them, so precision is taken where a group of equal scores ends;
where several references share the best score, each is first with the same probability.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]
Numbers = NDArray[np.int64]
# Scores of the queries of a slice to all references: float32 (len(slice), R).
ScoreBlock = Callable[[slice], Scores]

BLOCK = 1 << 22  # scores held at a time: 16 MB


@dataclass(frozen=True, eq=False)
class Ranking:
    """Where the right pairs of a task stand among all Q x R pairs.

    right:         float32 (P,), the right pairs' scores.
    wrong_above:   int (P,), how many wrong pairs score as high or higher.
    best_wrong:    float32 (Q,), the best score to a wrong reference; -inf where all are right.
    best_wrong_at: int (Q,), which reference that is.
    first:         float (P,), the probability that this right reference is the first of its query.
    """

    right: Scores
    wrong_above: Numbers
    best_wrong: Scores
    best_wrong_at: Numbers
    first: NDArray[np.float64]

    @property
    def precision(self) -> NDArray[np.float64]:
        """float (P,), of all pairs that score as high as this right pair or higher."""
        ascending = np.sort(self.right)
        right_above = len(ascending) - np.searchsorted(ascending, self.right, side="left")
        precision: NDArray[np.float64] = right_above / (right_above + self.wrong_above)
        return precision


def rank(block: ScoreBlock, pairs: Numbers, queries: int, references: int, views: int = 1) -> Ranking:
    """Scores block by block, twice, so that no more than a block of them is ever in memory.

    pairs: int (P, 2), (query, reference), P >= 1.
    views: rows of scores that `block` makes, at most, for one query.
    """
    size = max(1, BLOCK // (references * views))
    right = np.empty(len(pairs), np.float32)
    best, at, tied = np.empty(queries, np.float32), np.empty(queries, np.int64), np.empty(queries, np.int64)
    for rows, scores, inside in _blocks(block, pairs, queries, size):
        place = pairs[inside, 0] - rows.start, pairs[inside, 1]
        right[inside] = scores[place]
        scores[place] = -np.inf
        best[rows], at[rows] = scores.max(axis=1), scores.argmax(axis=1)
        tied[rows] = (scores == best[rows, None]).sum(axis=1)
    wrong_above = _wrong_above(right, _blocks(block, pairs, queries, size), pairs)
    return Ranking(right, wrong_above, best, at, _first(right, pairs[:, 0], best, tied))


def _blocks(block: ScoreBlock, pairs: Numbers, queries: int, size: int) -> Iterator[tuple[slice, Scores, Numbers]]:
    """For each block: its queries, scores that may be written to, and the numbers of the right pairs within."""
    for start in range(0, queries, size):
        rows = slice(start, min(start + size, queries))
        inside = np.flatnonzero((pairs[:, 0] >= rows.start) & (pairs[:, 0] < rows.stop))
        yield rows, np.array(block(rows), np.float32), inside


def _wrong_above(right: Scores, blocks: Iterator[tuple[slice, Scores, Numbers]], pairs: Numbers) -> Numbers:
    """int (P,): wrong pairs that score as high or higher."""
    levels, level_of = np.unique(right, return_inverse=True)
    reached = np.zeros(len(levels) + 1, np.int64)  # how many wrong pairs reach exactly so many levels
    for rows, scores, inside in blocks:
        scores[pairs[inside, 0] - rows.start, pairs[inside, 1]] = -np.inf
        high = scores[scores >= levels[0]]
        reached += np.bincount(np.searchsorted(levels, high, side="right"), minlength=len(reached))
    from_top: Numbers = reached[::-1].cumsum()[::-1][1:]
    return from_top[level_of]


def _first(right: Scores, query: Numbers, best_wrong: Scores, wrong_tied: Numbers) -> NDArray[np.float64]:
    """float (P,): 1 for the one best, 0 below the best, a share for each of several that are equal."""
    best_right = np.full(len(best_wrong), -np.inf, np.float32)
    np.maximum.at(best_right, query, right)
    at_top = right == best_right[query]
    right_tied = np.bincount(query[at_top], minlength=len(best_wrong))
    rivals = right_tied + np.where(best_wrong == best_right, wrong_tied, 0)
    return np.where(at_top & (right >= best_wrong[query]), 1 / np.maximum(rivals, 1)[query], 0.0)


def micro_ap(ranking: Ranking) -> float:
    """Micro average precision, 0 to 1: all pairs of all queries ranked as one (Douze et al. 2021, arXiv 2106.09672)."""
    return float(ranking.precision.mean())


def recall_at_1(ranking: Ranking, pairs: Numbers) -> float:
    """Part of the queries with a right reference that find one of them first, 0 to 1."""
    return float(ranking.first.sum() / len(np.unique(pairs[:, 0])))


@dataclass(frozen=True)
class Point:
    """The lowest threshold that reaches a precision.

    recall:    part of the right pairs that score as high, 0 to 1.
    threshold: the score; None where no threshold reaches the precision.
    """

    recall: float
    threshold: float | None


def at_precision(ranking: Ranking, wanted: float) -> Point:
    """Where recall is highest among thresholds of at least that precision."""
    enough = ranking.right[ranking.precision >= wanted]
    if not len(enough):
        return Point(0.0, None)
    threshold = enough.min()
    return Point(float((ranking.right >= threshold).mean()), float(threshold))


def curve(ranking: Ranking, points: int = 400) -> tuple[list[float], list[float]]:
    """Recall and precision as the threshold falls, thinned out to so many points."""
    order = np.argsort(-ranking.right, kind="stable")
    recall, precision = np.arange(1, len(order) + 1) / len(order), ranking.precision[order]
    ends = np.flatnonzero(np.diff(ranking.right[order], append=-np.inf))  # a group of equal scores is one point
    kept = ends[np.unique(np.linspace(0, len(ends) - 1, points).round().astype(int))]
    return recall[kept].tolist(), precision[kept].tolist()
