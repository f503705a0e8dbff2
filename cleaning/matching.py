"""Looks -> pairs of those that are copies of each other, by vectors, what was found before being taken over."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cleaning.cache import Cache
from cleaning.evidence import Rule
from cleaning.held_pairs import HeldPairs
from cleaning.looks import Look
from cleaning.nearness import Pairs, close_pairs
from cleaning.parts import DiskParts
from extractor import Extractor
from extractor.settings import ExtractorSettings

Item = TypeVar("Item")
Show = Callable[[Iterable[Item], int, str], Iterable[Item]]  # passes on, shows how far it is of how many, and at what
TOGETHER = 200_000  # doubtful pairs that are weighed before the next are looked for


@dataclass(frozen=True)
class Matcher:
    """Finds pairs by a rule. `parts` are asked for where the rule weighs them."""

    cache: Cache
    extractor: Extractor
    parts: DiskParts
    show: "Show[tuple[int, Pairs]]"
    show_parts: "Show[None]"

    def pairs(self, looks: Sequence[Look], rule: Rule, question: str) -> Pairs:
        """Pairs of places among the looks. `question` names what pairs depend on besides. Raises OSError."""
        places, vectors = self._vectors(looks)
        hashes = [looks[place].sha256 for place in places.tolist()]
        held = HeldPairs(self.cache.folder, f"{question}\n{self.extractor.fingerprint}\n{rule}")
        known, fresh = held.load(hashes)
        found = _Weighing(self, [looks[place] for place in places.tolist()], vectors, rule)
        if fresh.any():
            for _, pairs in self.show(close_pairs(vectors, fresh, rule.least), int(fresh.sum()), "compare"):
                found.take(pairs)
            found.finish()
            known = Pairs.joined([known, *found.copies])
            held.save(hashes, known)
        return Pairs(places[known.left], places[known.right], known.scores)

    def _vectors(self, looks: Sequence[Look]) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
        """Places of the looks whose vectors say anything, and these vectors (N, D)."""
        wanted = {look.sha256: place for place, look in enumerate(looks) if not look.content.indeterminate}
        vectors = np.empty((len(wanted), self.extractor.dim), np.float16)
        places = np.empty(len(wanted), np.int64)
        count = 0
        for sha256, data in self.cache.rows(self.extractor.fingerprint, wanted):
            if len(data) == 2 * self.extractor.dim:
                vectors[count], places[count] = np.frombuffer(data, np.float16), wanted[sha256]
                count += 1
        order = np.argsort(places[:count])
        return places[:count][order], vectors[:count][order]


class _Weighing:
    """Takes close pairs, and keeps those that are copies."""

    def __init__(self, matcher: Matcher, looks: Sequence[Look], vectors: NDArray[np.float16], rule: Rule) -> None:
        self.copies: list[Pairs] = []
        self._doubtful: list[Pairs] = []
        self._matcher = matcher
        self._looks = looks
        self._vectors = vectors
        self._rule = rule

    def take(self, pairs: Pairs) -> None:
        doubtful = self._rule.is_doubtful(pairs)
        self.copies.append(pairs.where(~doubtful))
        self._doubtful.append(pairs.where(doubtful))
        if sum(map(len, self._doubtful)) > TOGETHER:
            self.finish()

    def finish(self) -> None:
        """Weigh what is waiting, making the parts that this takes."""
        pairs, parts = Pairs.joined(self._doubtful), self._matcher.parts
        self._doubtful.clear()
        missing = parts.missing([self._looks[place].sha256 for place in np.union1d(pairs.left, pairs.right).tolist()])
        items = [
            (look.sha256, file.candidate.file)
            for look in self._looks
            if look.sha256 in missing
            for file in look.pictures
            if file.sha256 == look.sha256
        ]
        for _ in self._matcher.show_parts(parts.make(items), len(items), "look closer"):
            pass
        self.copies.append(self._rule.weigh(pairs, self._vectors, lambda place: parts.of(self._looks[place].sha256)))


def parts_key(fingerprint: str, settings: ExtractorSettings) -> str:
    """All that the parts' vectors depend on."""
    return f"parts {settings.parts.size} {fingerprint}"
