"""The one place where a score is computed, so that no answer depends on where a vector stands."""

import numpy as np
from numpy.typing import NDArray

from index_store.records import Vectors


def cosines(vectors: NDArray[np.floating], query: Vectors) -> NDArray[np.float64]:
    """Cosines (M,) of unit vectors (M, D) with one unit query (D,), in [-1, 1], to six decimals; higher is closer.

    Summed in float64: the same pair gives the same score however many are computed together.
    """
    scores = vectors.astype(np.float64) @ query.astype(np.float64)
    return np.clip(scores, -1, 1).round(6)
