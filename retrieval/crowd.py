"""Duplicates behind more look-alikes than an answer has room for: behind blank pictures by the hundred, say."""

from dataclasses import dataclass

from extractor.interface import Vectors
from index_store import DUPLICATE, Facts, ImageStore, Match, relation
from index_store.relation import SAME_PIXELS

DEEPER = 4


@dataclass(frozen=True)
class Crowd:
    """The nearest `depth` of a collection, where they may hide what is not among them.

    Equal scores stand in the order of adding, and pictures without content may score higher than a copy.
    """

    store: ImageStore
    collection: str
    threshold: float
    depth: int

    def uncovered(self, facts: Facts, views: Vectors, matches: list[Match]) -> list[Match]:
        """`matches`, best first, with the duplicate that they hide in the place that is its due, if they hide one."""
        if len(matches) < self.depth or any(self._repeats(facts, match) for match in matches):
            return matches
        hidden = self._same(facts, views, matches) or self._near(facts, views, matches)
        if hidden is None:
            return matches
        place = next((n for n, match in enumerate(matches) if match.score <= hidden.score), self.depth - 1)
        return [*matches[:place], hidden, *matches[place:]][: self.depth]

    def _same(self, facts: Facts, views: Vectors, matches: list[Match]) -> Match | None:
        if matches[-1].score < SAME_PIXELS:
            return None
        return next(iter(self.store.same_content(self.collection, facts, views)), None)

    def _near(self, facts: Facts, views: Vectors, matches: list[Match]) -> Match | None:
        depth = self.depth
        while not facts.indeterminate and len(matches) == depth and matches[-1].score >= self.threshold:
            depth *= DEEPER
            (matches,) = self.store.search(self.collection, [views], depth)
            if found := next((match for match in matches if self._repeats(facts, match)), None):
                return found
        return None

    def _repeats(self, facts: Facts, match: Match) -> bool:
        return relation(facts, match.image, match.score, self.threshold) in DUPLICATE
