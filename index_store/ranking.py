"""Ranks what a snapshot proposes by exact scores."""

import numpy as np
from numpy.typing import NDArray

from index_store.records import Seqs, Vectors
from index_store.scoring import TOLERANCE
from index_store.view import Snapshot

Ranked = tuple[Seqs, NDArray[np.float64]]
# This many candidates beyond those asked for make up for rounding in the index.
SLACK = 16


def nearest(snapshot: Snapshot, queries: Vectors, top_k: int, rerank: int) -> list[Ranked]:
    """For each of (Q, D) queries the seqs and scores of its `top_k` best; equal scores in the order of adding."""
    ranked: dict[int, Ranked] = {}
    waiting, depth = list(range(len(queries))), top_k + SLACK
    while waiting:
        found = snapshot.search(queries[waiting], depth, rerank)
        ranked.update((q, _ordered(snapshot, queries[q], seqs)) for q, seqs in zip(waiting, found, strict=True))
        waiting = [q for q in waiting if _may_go_on(ranked[q][1], top_k, depth, snapshot.size)]
        depth *= 4
    return [(seqs[:top_k], scores[:top_k]) for _, (seqs, scores) in sorted(ranked.items())]


def _ordered(snapshot: Snapshot, query: Vectors, seqs: Seqs) -> Ranked:
    scores = snapshot.score(query, seqs)
    order = np.lexsort((seqs, -scores))
    return seqs[order], scores[order]


def _may_go_on(scores: NDArray[np.float64], top_k: int, depth: int, size: int) -> bool:
    """Whether pictures as good as the last of the `top_k` may stand below the `depth` that was looked at.

    The same picture may be remembered a thousand times; which of them are proposed is then left to chance.
    """
    if depth >= size or not 0 < top_k <= len(scores):
        return False
    return bool(np.count_nonzero(scores >= scores[top_k - 1] - TOLERANCE) >= depth)
