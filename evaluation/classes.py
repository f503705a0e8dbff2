"""Folders as classes: every picture is searched for among all others, and those of its folder are right.

Average precision and recall@k as PyRetri's evaluator `OverAll` defines them (Hu et al. 2020, arXiv 2005.02154): AP is
the mean, over the right ones, of the precision down to each, and recall@k the part of the queries with a right one
among the first k. Unlike there, the query itself is left out of both, and equal scores are taken as one group.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

from evaluation.measures import BLOCK, Numbers, ScoreBlock, Scores

KS = ("1", "2", "4", "8")


@dataclass(frozen=True)
class ClassAccuracy:
    """Means over the queries, each in 0 to 1.

    queries:   pictures whose class has another one.
    mean_ap:   mAP.
    recall_at: k -> recall@k.
    """

    queries: int
    mean_ap: float
    recall_at: dict[str, float]


def measure_classes(block: ScoreBlock, labels: Sequence[str]) -> ClassAccuracy:
    """Every picture against all others; at least one class must have two."""
    numbers = np.unique(np.asarray(labels), return_inverse=True)[1]
    step = max(1, BLOCK // len(labels))
    rows = []
    for start in range(0, len(labels), step):
        scores = block(slice(start, min(start + step, len(labels))))
        rows += [_one(row, numbers, start + offset) for offset, row in enumerate(scores)]
    means = np.array([row for row in rows if row is not None]).mean(axis=0)
    return ClassAccuracy(
        sum(row is not None for row in rows), float(means[0]), dict(zip(KS, means[1:].tolist(), strict=True))
    )


def _one(scores: Scores, labels: Numbers, query: int) -> list[float] | None:
    """AP and the recalls of one query; None where nothing is right."""
    right = np.delete(labels == labels[query], query)
    if not right.any():
        return None
    scores = np.delete(scores, query)
    return [average_precision(scores, right), *[recall_at(scores, right, k) for k in map(int, KS)]]


def average_precision(scores: Scores, right: NDArray[np.bool_]) -> float:
    """float32 (R,), bool (R,) with at least one -> 0 to 1."""
    wanted = scores[right]
    return float((_reaching(wanted, wanted) / _reaching(scores, wanted)).mean())


def _reaching(scores: Scores, levels: Scores) -> Numbers:
    """int, for each level: how many scores are as high or higher."""
    counts: Numbers = len(scores) - np.searchsorted(np.sort(scores), levels, side="left")
    return counts


def recall_at(scores: Scores, right: NDArray[np.bool_], k: int) -> float:
    """The probability that one of the first k is right, where equal scores stand in any order."""
    best = scores[right].max()
    places = k - int((scores > best).sum())
    group = int((scores == best).sum())
    wrong = group - int((right & (scores == best)).sum())
    return 1 - comb(wrong, min(places, group)) / comb(group, min(places, group)) if places > 0 else 0.0
