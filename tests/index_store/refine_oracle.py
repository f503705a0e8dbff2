"""What refinement has to give, in plain loops from the papers, over all pictures held and with no index at all."""

from functools import cache
from math import exp

import numpy as np

from index_store import Reciprocal, Refinement
from tests.index_store.vectors import DIM


def cosines(one: np.ndarray, others: list[np.ndarray]) -> list[float]:
    if not len(others):
        return []
    lengths = np.linalg.norm(one) * np.linalg.norm(np.stack(others), axis=1)
    return (np.stack(others) @ one / np.where(lengths, lengths, 1)).round(6).tolist()


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return cosines(one, [other])[0]


def order(aim: np.ndarray, vectors: list[np.ndarray], without: int | None = None) -> list[int]:
    """Places of `vectors`, nearest first, the earlier first among equals."""
    scores = cosines(aim, vectors)
    return sorted(
        (place for place in range(len(vectors)) if place != without), key=lambda place: (-scores[place], place)
    )


def combined(vectors: list[np.ndarray], weights: list[float]) -> np.ndarray:
    """The weighted sum of these directions, of norm 1."""
    total = np.zeros(len(vectors[0]))
    for vector, weight in zip(vectors, weights, strict=True):
        total += weight * vector / np.linalg.norm(vector)
    return total / np.linalg.norm(total)


def expand(query: np.ndarray, vectors: list[np.ndarray], k: int, alpha: float | None) -> np.ndarray:
    """With `alpha` None the average of the query and its k nearest."""
    near = [vectors[place] for place in order(query, vectors)[:k]]
    weights = [1.0 if alpha is None else max(cosine(query, vector), 0.0) ** alpha for vector in near]
    return combined([query, *near], [1.0, *weights])


def augment(place: int, vectors: list[np.ndarray], k: int) -> np.ndarray:
    """The rank-weighted mean of a vector and the k others that are nearest to it."""
    near = [vectors[other] for other in order(vectors[place], vectors, without=place)[:k]]
    total = len(near) + 1
    return combined([vectors[place], *near], [(total - rank) / total for rank in range(total)])


def rerank(aim: np.ndarray, vectors: list[np.ndarray], k1: int, k2: int, weight: float) -> list[float]:
    """Zhong et al.: N(p, k), R(p, k), R*(p, k), V, its average, Jaccard, and the mix with the cosine."""
    everything = [aim, *vectors]
    count = len(everything)

    def nearest(p: int, k: int) -> list[int]:
        return [p, *order(everything[p], everything, without=p)[:k]]

    neighbours = [nearest(p, count) for p in range(count)]

    @cache
    def reciprocal(p: int, k: int) -> set[int]:
        return {g for g in neighbours[p][: k + 1] if p in neighbours[g][: k + 1]}

    def enlarged(p: int) -> set[int]:
        core, half = reciprocal(p, k1), (k1 + 1) // 2
        more = [reciprocal(q, half) for q in core]
        return core.union(*(theirs for theirs in more if len(core & theirs) >= 2 / 3 * len(theirs)))

    def encoded(p: int) -> list[float]:
        members = enlarged(p)
        scores = cosines(everything[p], everything)
        row = [exp(scores[g] - 1) if g in members else 0.0 for g in range(count)]
        total = sum(row)
        return [value / total for value in row]

    rows = [encoded(p) for p in range(count)]
    spread = [
        [sum(column) / len(column) for column in zip(*(rows[q] for q in near[:k2]), strict=True)] for near in neighbours
    ]

    def jaccard(p: int) -> float:
        pairs = list(zip(spread[0], spread[p], strict=True))
        return sum(min(pair) for pair in pairs) / sum(max(pair) for pair in pairs)

    return [(1 - weight) * jaccard(p) + weight * cosine(aim, everything[p]) for p in range(1, count)]


def refined(
    query: np.ndarray, ids: list[str], vectors: np.ndarray, top_k: int, wanted: Refinement
) -> list[tuple[str, float, float]]:
    """(id, score, refined score) of the best, over the vectors as the catalog keeps them (float16)."""
    kept = list(vectors.astype(np.float16).astype(np.float64).reshape(-1, DIM))
    query = query.astype(np.float64)
    aim = expand(query, kept, wanted.expand_k, wanted.alpha) if wanted.expand_k and kept else query
    places = order(aim, kept)[: max(wanted.depth, top_k)]
    seen = [augment(place, kept, wanted.augment_k) if wanted.augment_k else kept[place] for place in places]
    values = [cosine(aim, vector) for vector in seen]
    if isinstance(wanted.rerank, Reciprocal):
        values = rerank(aim, seen, wanted.rerank.k1, wanted.rerank.k2, wanted.rerank.weight)
    best = sorted(zip(places, values, strict=True), key=lambda pair: (-round(pair[1], 6), pair[0]))[:top_k]
    return [(ids[place], cosine(query, kept[place]), value) for place, value in best]
