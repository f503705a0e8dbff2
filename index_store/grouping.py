"""Finds duplicate groups: a keeper, chosen by a policy, and members that each match it directly. No chains.

Pictures are gone through in the policy's order. One that is still free becomes a keeper and takes every free picture
that matches it. So a keeper is the best of its group, groups are disjoint, and no two of the pictures that would be
left after a clean-up match each other.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from index_store.candidates import Candidates, NoCandidates, candidates, scores_with
from index_store.catalog import Catalog
from index_store.census import BYTES, PIXELS, Census, Places
from index_store.marks import Marks
from index_store.moment import Moment
from index_store.pairs import PairVerdict, PairVerdicts
from index_store.policy import Policy
from index_store.records import Vectors

Kind = Literal["near", "identical", "exact"]
MOST_MEMBERS = 1000


@dataclass(frozen=True)
class Terms:
    """What belongs together: of `kind` near, pictures whose cosine is at least `least`; identical pixels; exact bytes.

    Each includes those after it, `near` also the pairs marked as duplicates. Pairs marked otherwise never match.
    With `against`, the name of another collection, all keepers are pictures of that one, and none of them are members.
    """

    least: float
    policy: Policy
    kind: Kind = "near"
    against: str | None = None


@dataclass(frozen=True)
class Link:
    """A member by its seq, the exact cosine with its keeper, and whether the pair is marked as duplicates."""

    seq: int
    score: float
    marked: bool


@dataclass(frozen=True)
class Found:
    """A group by seqs: of `links` there are at most MOST_MEMBERS, best first; a keeper with more has several groups."""

    keeper: int
    links: tuple[Link, ...]


class Grouping:
    """Finds the groups of one moment of a collection, kept by pictures of its own or of another collection's moment."""

    def __init__(self, catalog: Catalog, terms: Terms, members: Moment, keepers: Moment | None = None) -> None:
        self._catalog = catalog
        self._terms = terms
        self._members = Census.take(catalog, members, terms.policy)
        self._keepers = Census.take(catalog, keepers, terms.policy) if keepers else self._members
        self._candidates: Candidates = (
            candidates(self._members, terms.least) if terms.kind == "near" else NoCandidates()
        )

    @property
    def pictures(self) -> int:
        """How many keepers there may be."""
        return len(self._keepers.order)

    def groups(self) -> Iterator[tuple[int, list[Found]]]:
        """How many pictures have been gone through, and the groups that were found with the last of them."""
        order, done = self._keepers.order, 0
        while done < len(order):
            batch = order[done : done + self._candidates.batch]
            done += len(batch)
            batch = batch[self._keepers.free[batch]]
            yield done, list(self._of_batch(batch)) if len(batch) else []

    def _of_batch(self, batch: Places) -> Iterator[Found]:
        seqs = self._keepers.seqs[batch]
        vectors = self._keepers.snapshot.vectors_of(seqs)
        marks = _by_picture(Marks(self._catalog).of(seqs.tolist()))
        self._candidates.look(vectors)
        for row, place in enumerate(batch):
            if self._keepers.free[place]:
                self._keepers.free[place] = False
                yield from self._of_keeper(place, row, vectors[row], marks.get(int(seqs[row]), {}))

    def _of_keeper(self, place: np.intp, row: int, vector: Vectors, said: dict[int, PairVerdict]) -> Iterator[Found]:
        alike, unlike = (self._marked(said, verdict) for verdict in ("duplicates", "not_duplicates"))
        if self._terms.kind != "near":
            alike = alike[:0]
        taken = np.union1d(np.union1d(self._near(place, row), self._copies(place)), alike)
        taken = np.setdiff1d(taken[self._members.free[taken]], unlike)
        self._members.free[taken] = False
        yield from self._found(int(self._keepers.seqs[place]), taken, vector, alike)

    def _near(self, place: np.intp, row: int) -> Places:
        if self._keepers.indeterminate[place]:
            return np.empty(0, dtype=np.intp)
        near = self._candidates.of(row)
        return near[~self._members.indeterminate[near]]

    def _copies(self, place: np.intp) -> Places:
        """Places of pictures with the same bytes or, unless these are asked for, the same pixels."""
        kinds = [BYTES] if self._terms.kind == "exact" else [BYTES, PIXELS]
        digests = self._keepers.digests
        return np.concatenate([self._members.with_digest(kind, digests[kind, place]) for kind in kinds])

    def _marked(self, said: dict[int, PairVerdict], wanted: str) -> Places:
        seqs = [seq for seq, verdict in said.items() if verdict == wanted]
        return self._members.places_of(np.array(seqs, dtype=np.int64))

    def _found(self, keeper: int, taken: Places, vector: Vectors, alike: Places) -> Iterator[Found]:
        scores = scores_with(self._members, vector, taken)
        best = np.lexsort((taken, -scores))
        marked: NDArray[np.bool_] = np.isin(taken, alike)
        columns = (self._members.seqs[taken], scores, marked)
        links = [Link(*link) for link in zip(*(column[best].tolist() for column in columns), strict=True)]
        for start in range(0, len(links), MOST_MEMBERS):
            yield Found(keeper, tuple(links[start : start + MOST_MEMBERS]))


def _by_picture(verdicts: PairVerdicts) -> dict[int, dict[int, PairVerdict]]:
    """Of each picture, what is said of it with which others."""
    said: dict[int, dict[int, PairVerdict]] = {}
    for (a, b), verdict in verdicts.items():
        said.setdefault(a, {})[b] = verdict
        said.setdefault(b, {})[a] = verdict
    return said
