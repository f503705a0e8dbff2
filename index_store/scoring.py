"""The one place where a score is computed, so that no answer depends on where a vector stands."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from index_store.records import Vectors

# More than an inner product with a vector rounded to float16 is off, much less than two pictures differ by.
TOLERANCE = 1e-4
_BLOCK = 256  # rows that stay in the processor's cache while every query meets them


def cosines(vectors: NDArray[np.floating], query: Vectors) -> NDArray[np.float64]:
    """Cosines (M,) of vectors (M, D) with one unit query (D,), in [-1, 1], to six decimals; higher is closer.

    Summed in float64 and row by row: the same pair gives the same score however many are computed together. Lengths
    are divided out, since rounding to float16 leaves them a little off one: a picture scores 1 with itself.
    """
    return best_cosines(vectors, query[None])


def best_cosines(vectors: NDArray[np.floating], views: Vectors) -> NDArray[np.float64]:
    """Scores (M,) of vectors (M, D) for a query of several views (V, D): of each vector the best of its cosines.

    A view that is shorter than one counts for so much less.
    """
    exact = vectors.astype(np.float64)
    lengths = np.sqrt(np.vecdot(exact, exact))
    best = np.max([np.vecdot(exact, view) for view in views.astype(np.float64)], axis=0)
    scores: NDArray[np.float64] = best / np.where(lengths, lengths, 1)
    return scores.clip(-1, 1).round(6)


def score_of(views: Vectors, vectors: Vectors) -> list[float]:
    """Scores (M,) that vectors (M, D) would have if they were stored, for a query of views (V, D)."""
    scores: list[float] = best_cosines(vectors.astype(np.float16), views).tolist()
    return scores


def pair_cosines(ones: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.float64]:
    """Cosines (M,) of each of (M, D) or (1, D) with its counterpart of (M, D), as `cosines` has them.

    For vectors that are both stored: both lengths are divided out.
    """
    one, other = ones.astype(np.float64), others.astype(np.float64)
    lengths = np.sqrt(np.vecdot(one, one) * np.vecdot(other, other))
    scores: NDArray[np.float64] = np.vecdot(one, other) / np.where(lengths, lengths, 1)
    return scores.clip(-1, 1).round(6)


def products(queries: Vectors, vectors: Vectors) -> NDArray[np.float32]:
    """Inner products (Q, M) of (Q, D) with (M, D), to float32's precision, on the calling thread alone.

    `@` would call on the threads of BLAS; with other requests on the same cores those wait for each other, and what
    takes 0.2 ms takes 16.
    """
    out = np.empty((len(queries), len(vectors)), dtype=np.float32)
    for start in range(0, len(vectors), _BLOCK):
        rows = slice(start, start + _BLOCK)
        np.vecdot(vectors[None, rows], queries[:, None], out=out[:, rows])
    return out


def close_pairs(queries: Sequence[Vectors], vectors: Vectors, least: float) -> list[list[tuple[int, float]]]:
    """For each of the queries (V, D) the (row, score) of those of (M, D) `vectors` that score at least `least`."""
    pairs: list[list[tuple[int, float]]] = []
    for views in queries:
        rows = np.flatnonzero(products(views, vectors).max(axis=0) >= least - TOLERANCE)
        scores = best_cosines(vectors[rows], views)
        pairs.append([(int(row), float(score)) for row, score in zip(rows, scores, strict=True) if score >= least])
    return pairs
