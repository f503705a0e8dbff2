"""Ranks what a snapshot proposes by exact scores."""

from collections.abc import Iterable
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from index_store.records import Seqs, Vectors
from index_store.scoring import TOLERANCE
from index_store.view import Snapshot

Ranked = tuple[Seqs, NDArray[np.float64]]
# This many candidates beyond those asked for make up for rounding in the index.
SLACK = 16


def nearest(snapshot: Snapshot, queries: Iterable[Vectors], top_k: int) -> list[Ranked]:
    """For each query, (D,) or several views (V, D), the seqs and scores of its `top_k` best.

    The score of a picture is that of the view it is closest to; equal scores stand in the order of adding.
    """
    views = [np.atleast_2d(query) for query in queries]
    ranked: dict[int, Ranked] = {}
    waiting, depth = list(range(len(views))), top_k + SLACK
    while waiting:
        found = _proposed(snapshot, [views[q] for q in waiting], depth)
        ranked.update((q, _ordered(snapshot, views[q], seqs)) for q, seqs in zip(waiting, found, strict=True))
        waiting = [q for q in waiting if _may_go_on(ranked[q][1], top_k, depth, snapshot.size)]
        depth *= 4
    return [(seqs[:top_k], scores[:top_k]) for _, (seqs, scores) in sorted(ranked.items())]


def _proposed(snapshot: Snapshot, queries: list[Vectors], depth: int) -> list[Seqs]:
    """For each query what any of its views proposes."""
    found = iter(snapshot.search(np.concatenate(queries), depth))
    each = [list(islice(found, len(views))) for views in queries]
    return [seqs[0] if len(seqs) == 1 else np.unique(np.concatenate(seqs)) for seqs in each]


def _ordered(snapshot: Snapshot, views: Vectors, seqs: Seqs) -> Ranked:
    scores = snapshot.score(views, seqs)
    order = np.lexsort((seqs, -scores))
    return seqs[order], scores[order]


def _may_go_on(scores: NDArray[np.float64], top_k: int, depth: int, size: int) -> bool:
    """Whether pictures as good as the last of the `top_k` may stand below the `depth` that was looked at.

    The same picture may be remembered a thousand times; which of them are proposed is then left to chance.
    """
    if depth >= size or not 0 < top_k <= len(scores):
        return False
    return bool(np.count_nonzero(scores >= scores[top_k - 1] - TOLERANCE) >= depth)
