"""Query-time refinement of a shortlist, as formulas: query expansion, database-side augmentation, re-ranking.

They help to find *similar* pictures; what counts as a copy is never judged by them. Vectors are rows of any length,
compared by cosine; no input of finite numbers gives NaN.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index_store.records import Scores, Vectors

Sets = NDArray[np.bool_]
_BLOCK = 64  # rows whose products with all others are held at once
_DECIMALS = 6  # as in scores: what differs by less is equal, and equals keep their order


@dataclass(frozen=True)
class Reciprocal:
    """Parameters of `k_reciprocal`. `weight` is the paper's lambda, the share of the plain cosine in the result."""

    k1: int = 20
    k2: int = 6
    weight: float = 0.3


@dataclass(frozen=True)
class Refinement:
    """What a search does beyond comparing vectors, in this order; 0 and None leave a step out.

    `depth` candidates are refined, or as many as are asked for, if more. `alpha` 0 is average query expansion.
    """

    depth: int
    expand_k: int = 0
    alpha: float = 0.0
    augment_k: int = 0
    rerank: Reciprocal | None = None


def expanded(query: Vectors, vectors: Vectors, scores: Scores, alpha: float) -> Vectors:
    """Query expansion: the query (D,) moved towards its nearest vectors (K, D), of which `scores` (K,) are the cosines.

    Each weighs max(score, 0) ** alpha, the query 1 (Radenovic et al., TPAMI 2019); with alpha 0 that is the average
    (Chum et al., ICCV 2007). (D,) float32 of norm 1, or the query itself where nothing remains.
    """
    weights = np.maximum(scores, 0) ** alpha
    total = _unit(query) + (weights[:, None] * _unit(vectors)).sum(axis=0)
    return _unit(total).astype(np.float32) if np.linalg.norm(total) > 1e-6 else query


def augmented(vectors: Vectors, neighbours: Sequence[Vectors]) -> Vectors:
    """Database-side augmentation: each of (M, D) becomes a mean of itself and its `neighbours` (K, D), best first.

    The one at rank r, itself being at 0, weighs (K + 1 - r) / (K + 1) (Arandjelovic and Zisserman, CVPR 2012, with the
    weights of Gordo et al., IJCV 2017). (M, D) float32 of norm 1; K may differ from one to the other.
    """
    total = _unit(vectors)
    for row, near in enumerate(neighbours):
        total[row] += (_falling(len(near))[:, None] * _unit(near)).sum(axis=0)
    return _unit(total).astype(np.float32)


def k_reciprocal(query: Vectors, vectors: Vectors, parameters: Reciprocal) -> Scores:
    """Closeness (M,) of the shortlist `vectors` (M, D) to the query (D,): (1 - lambda) J + lambda cosine, at most 1.

    J in [0, 1] is the Jaccard similarity of two pictures' k-reciprocal neighbours, weighted and averaged over the k2
    nearest, rows scaled to sum 1 as the authors' program does (Zhong et al., CVPR 2017). The distance that weighs is
    1 - cosine. Neighbours are sought among the shortlist and the query alone, so this is local to a shortlist.
    """
    near = _cosines_among(np.concatenate([query[None], vectors]))
    ranks = _ranks(near)
    members = _encoded(near, _enlarged(ranks, parameters.k1))
    spread = _averaged(members, ranks < parameters.k2) if parameters.k2 > 1 else members
    closeness: Scores = (1 - parameters.weight) * _jaccard(spread) + parameters.weight * near[0]
    return closeness[1:].round(_DECIMALS)


def _unit(vectors: NDArray[np.floating]) -> Scores:
    """Of norm 1, in float64; zeros stay zeros."""
    exact = vectors.astype(np.float64)
    lengths = np.sqrt(np.vecdot(exact, exact))[..., None]
    exact /= np.where(lengths, lengths, 1)
    return exact


def _falling(count: int) -> Scores:
    return 1 - np.arange(1, count + 1) / (count + 1)


def _cosines_among(vectors: Vectors) -> Scores:
    """(N, N), each pair's the same wherever it stands, and without the threads of BLAS (see scoring.products)."""
    unit = _unit(vectors)
    table = np.empty((len(unit), len(unit)))
    for start in range(0, len(unit), _BLOCK):
        rows = slice(start, start + _BLOCK)
        np.vecdot(unit[None, rows], unit[:, None], out=table[:, rows])
    return table.clip(-1, 1).round(_DECIMALS)


def _ranks(near: Scores) -> NDArray[np.intp]:
    """At (i, j) the place of j among the neighbours of i: 0 is i itself, also where others are equal to it."""
    keys = -near
    np.fill_diagonal(keys, -np.inf)
    ranks = np.empty(near.shape, dtype=np.intp)
    np.put_along_axis(ranks, np.argsort(keys, axis=1, kind="stable"), np.arange(len(near))[None], axis=1)
    return ranks


def _reciprocal(ranks: NDArray[np.intp], k: int) -> Sets:
    """At (i, j) whether each is among the k nearest of the other; every i is its own neighbour besides."""
    within = ranks <= k
    return within & within.T


def _enlarged(ranks: NDArray[np.intp], k1: int) -> Sets:
    """R*: neighbours' neighbours count too where two thirds of those (of half as many) are neighbours already."""
    whole, half = _reciprocal(ranks, k1), _reciprocal(ranks, (k1 + 1) // 2)
    sets, sizes = whole.copy(), half.sum(axis=1)
    for row, found in enumerate(whole):
        members = np.flatnonzero(found)
        common = half[np.ix_(members, members)].sum(axis=1)
        sets[row] |= half[members[3 * common >= 2 * sizes[members]]].any(axis=0)
    return sets


def _encoded(near: Scores, sets: Sets) -> Scores:
    weights = np.where(sets, np.exp(near - 1), 0.0)
    weights /= weights.sum(axis=1, keepdims=True)
    return weights


def _averaged(members: Scores, nearest: Sets) -> Scores:
    """Each row becomes the mean of its nearest rows, itself among them."""
    return np.stack([members[chosen].mean(axis=0) for chosen in nearest])


def _jaccard(members: Scores) -> Scores:
    """Similarity (N,) of each row with the first."""
    common: Scores = np.minimum(members, members[0]).sum(axis=1)
    common /= np.maximum(members, members[0]).sum(axis=1)
    return common
