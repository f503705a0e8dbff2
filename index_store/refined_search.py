"""Runs a Refinement over one snapshot: which pictures are candidates, in which order, and what that depended on."""

from dataclasses import dataclass

import numpy as np

from index_store.ranking import Ranked, nearest
from index_store.records import Scores, Seqs, Vectors
from index_store.refine import Refinement, augmented, expanded, k_reciprocal
from index_store.scoring import cosines
from index_store.view import Snapshot

_TOGETHER = 64  # queries of one batch: exact search of a delta holds a score for each of them and every vector


@dataclass(frozen=True, eq=False)
class Refined:
    """`ranked` seqs with their cosines to the query, in the order of `refined` (M,), best first; higher is closer.

    `plain` is what the search finds without refinement. All of `used` have had a say.
    """

    ranked: Ranked
    refined: Scores
    plain: Ranked
    used: frozenset[int]


@dataclass(frozen=True, eq=False)
class Searcher:
    """Searches of one snapshot."""

    snapshot: Snapshot

    def refined(self, query: Vectors, top_k: int, refinement: Refinement, min_score: float | None) -> Refined:
        """For a query (D,) the `top_k` best of the refined shortlist whose own cosine is at least `min_score`."""
        depth = max(refinement.depth, top_k)
        plain = self._nearest(query, max(top_k, refinement.expand_k) if refinement.expand_k else depth)
        aim, shortlist = self._expanded(query, plain, depth, refinement)
        refined, neighbours = self._rescored(aim, shortlist, refinement)
        expanders = plain[0][: refinement.expand_k]
        ranked, values = self._ordered(query, shortlist[0], refined, min_score)
        used = np.concatenate([expanders, shortlist[0], plain[0][:top_k], *neighbours])
        return Refined(_first(ranked, top_k), values[:top_k], _first(plain, top_k), frozenset(used.tolist()))

    def _expanded(self, query: Vectors, plain: Ranked, depth: int, refinement: Refinement) -> tuple[Vectors, Ranked]:
        """What to look for instead of the query, and what is nearest to it."""
        seqs, scores = _first(plain, refinement.expand_k)
        if not len(seqs):
            return query, _first(plain, depth)
        aim = expanded(query, self.snapshot.vectors_of(seqs), scores, refinement.alpha)
        return aim, self._nearest(aim, depth)

    def _rescored(self, aim: Vectors, shortlist: Ranked, refinement: Refinement) -> tuple[Scores, list[Seqs]]:
        """Refined scores of the shortlist, and the neighbours that they were computed with."""
        seqs, scores = shortlist
        vectors, neighbours = self.snapshot.vectors_of(seqs), list[Seqs]()
        if refinement.augment_k:
            neighbours = self._neighbours(seqs, vectors, refinement.augment_k)
            vectors = augmented(vectors, [self.snapshot.vectors_of(near) for near in neighbours])
            scores = cosines(vectors, aim)
        if refinement.rerank:
            scores = k_reciprocal(aim, vectors, refinement.rerank)
        return scores, neighbours

    def _neighbours(self, seqs: Seqs, vectors: Vectors, count: int) -> list[Seqs]:
        """Of each of `seqs`, with its vector, the `count` nearest others, best first."""
        found: list[Ranked] = []
        for start in range(0, len(vectors), _TOGETHER):
            found += nearest(self.snapshot, vectors[start : start + _TOGETHER], count + 1)
        return [near[near != own][:count] for own, (near, _) in zip(seqs, found, strict=True)]

    def _ordered(self, query: Vectors, seqs: Seqs, refined: Scores, min_score: float | None) -> tuple[Ranked, Scores]:
        scores = self.snapshot.score(query[None], seqs)
        order = np.lexsort((seqs, -refined))
        if min_score is not None:
            order = order[scores[order] >= min_score]
        return (seqs[order], scores[order]), refined[order]

    def _nearest(self, query: Vectors, count: int) -> Ranked:
        (ranked,) = nearest(self.snapshot, query[None], count)
        return ranked


def _first(ranked: Ranked, count: int) -> Ranked:
    seqs, scores = ranked
    return seqs[:count], scores[:count]
