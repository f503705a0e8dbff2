"""Whether two pictures are copies: by the cosine of the two as wholes and, where that leaves a doubt, by their parts.

Pictures on the same page or in the same window resemble each other as wholes, up to 0.6, and a copy in a window or
under a watermark resembles its original less. Its parts tell: one of them is nearly all of the other picture. How the
figures below were found: docs/cleaning.md.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cleaning.nearness import Pairs

SURE = 0.65  # cosine of two wholes from which parts are not looked at
OF_WHOLE = 0.3  # what the wholes' cosine counts for, beside the best of a part with the other whole
Matrix = NDArray[np.float32]
PartsOf = Callable[[int], Matrix]


@dataclass(frozen=True)
class Rule:
    """From which score two pictures are copies.

    least:     cosine of the wholes below which a pair is not looked at.
    threshold: score from which it is one of copies.
    supported: score from which it is, where another pair says the same.
    by_parts:  whether the score is weighed from whole and parts, unless the wholes are sure; else it is the cosine.
    """

    least: float
    threshold: float
    supported: float
    by_parts: bool

    @classmethod
    def plain(cls, threshold: float) -> "Rule":
        """Cosines alone."""
        return cls(threshold, threshold, threshold, by_parts=False)

    @classmethod
    def weighed(cls, pictures: int) -> "Rule":
        """For so many pictures: of more, more resemble each other by chance, so that more is asked for.

        In steps, so that what was found yesterday holds for a few more today.
        """
        step = 0.04 * max(0, math.ceil(math.log10(max(pictures, 1) / 5000)))
        return cls(0.25 + step, 0.55 + step, 0.45 + step, by_parts=True)

    def is_doubtful(self, pairs: Pairs) -> NDArray[np.bool_]:
        """For which pairs (P,) parts are to be looked at."""
        return (pairs.scores < SURE) & self.by_parts

    def weigh(self, pairs: Pairs, vectors: NDArray[np.float16], parts_of: PartsOf) -> Pairs:
        """Those of doubtful pairs that are copies, with support at least, by their scores."""
        scores = np.array(list(_weighed(pairs, vectors, parts_of)), np.float64)
        return Pairs(pairs.left, pairs.right, scores).where(scores >= self.supported)


def _weighed(pairs: Pairs, vectors: NDArray[np.float16], parts_of: PartsOf) -> Iterator[float]:
    for left, right, whole in zip(pairs.left.tolist(), pairs.right.tolist(), pairs.scores.tolist(), strict=True):
        part = max(_best(parts_of(left), vectors[right]), _best(parts_of(right), vectors[left]))
        yield round(OF_WHOLE * whole + (1 - OF_WHOLE) * part, 6)


def _best(parts: Matrix, whole: NDArray[np.float16]) -> float:
    """The best cosine of parts (P, D), unit rows, with a whole (D,)."""
    return float((parts @ whole.astype(np.float32)).max(initial=-1.0))
