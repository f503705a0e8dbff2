"""Groups without chains: a keeper, and members each of which is paired with the keeper itself.

Whatever has the most and closest pairs gathers those that are still free: that is mostly the original, which edited
copies resemble more than each other. Then the rules say who of the group is kept, of those that are paired with all
others; so that a picture that shows two others does not join them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cleaning.nearness import Pairs

Mask = NDArray[np.bool_]
AS_CLOSE = 0.02  # in mean score, which still counts as equally close to the others

Choose = Callable[[Sequence[int], Set[int]], int]  # takes places, and which of them are less close to the others


@dataclass(frozen=True)
class Star:
    """Places of a keeper and its members, with the score of each with the keeper.

    apart: those that are clearly less like the others of the group than what is most like them.
    """

    keeper: int
    members: tuple[tuple[int, float], ...]
    apart: frozenset[int]


class Graph:
    """Pairs by place: of each the others, and their scores."""

    def __init__(self, count: int, pairs: Pairs) -> None:
        ones = np.concatenate([pairs.left, pairs.right])
        others = np.concatenate([pairs.right, pairs.left])
        order = np.lexsort((others, ones))
        scores = np.concatenate([pairs.scores, pairs.scores])[order]
        self._others, self._scores = others[order], scores
        self._starts = np.searchsorted(ones[order], np.arange(count + 1))
        self.weights = np.bincount(ones[order], weights=scores, minlength=count)

    def places(self) -> list[int]:
        """Those that are paired with any."""
        paired: list[int] = np.flatnonzero(np.diff(self._starts)).tolist()
        return paired

    def around(self, place: int) -> dict[int, float]:
        """The places paired with this one, and the scores."""
        part = slice(self._starts[place], self._starts[place + 1])
        return dict(zip(self._others[part].tolist(), self._scores[part].tolist(), strict=True))


def stars(graph: Graph, protected: Mask, choose: Choose) -> Iterator[Star]:
    """Groups. What is protected is never a member, and goes before all others as a keeper, of several groups even."""
    free = np.ones(len(protected), np.bool_)
    order = np.lexsort((np.arange(len(protected)), -graph.weights))
    for centre in order[graph.weights[order] > 0].tolist():
        while free[centre]:
            star = _star(graph, centre, free, protected, choose)
            if not star.members:
                break
            taken = [star.keeper, *(place for place, _ in star.members)]
            free[taken] = protected[taken]
            yield star


def of_one_keeper(several: Iterable[Star]) -> list[Star]:
    """With all groups of a keeper made one."""
    merged: dict[int, Star] = {}
    for star in several:
        known = merged.get(star.keeper, Star(star.keeper, (), frozenset()))
        merged[star.keeper] = Star(star.keeper, known.members + star.members, known.apart | star.apart)
    return list(merged.values())


def _star(graph: Graph, centre: int, free: Mask, protected: Mask, choose: Choose) -> Star:
    together = [centre, *(place for place in graph.around(centre) if free[place])]
    candidates, apart = _candidates(graph, together, protected)
    keeper = choose(candidates, apart)
    paired = graph.around(keeper)
    members = [(place, paired[place]) for place in together if place in paired and not protected[place]]
    return Star(keeper, tuple(members), frozenset(apart))


def _candidates(graph: Graph, together: list[int], protected: Mask) -> tuple[list[int], set[int]]:
    """Who may be kept, and who is apart. The first of those together is paired with all others."""
    if protected[together[0]]:
        return together[:1], set()
    if guarded := [place for place in together if protected[place]]:
        return guarded, set()
    means = {}
    for place in together:
        paired = graph.around(place)
        scores = [paired[other] for other in together if other in paired]
        if len(scores) == len(together) - 1:
            means[place] = sum(scores) / max(len(scores), 1)
    closest = max(means.values()) - AS_CLOSE
    return list(means), {place for place in together if means.get(place, -1.0) < closest}
