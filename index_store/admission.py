"""Check-and-add: decides, under the catalog's write lock, which pictures of one call are kept."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from sqlalchemy import Connection

from index_store.ranking import Ranked
from index_store.records import AddOutcome, AddStatus, Collection, ImageRecord, Match, NewImage, Vectors
from index_store.relation import DUPLICATE, relation
from index_store.rows import (
    VECTOR_DTYPE,
    ids_taken,
    insert_images,
    records_of,
    same_content,
    vector_chunks,
    vectors_of,
)
from index_store.scoring import best_cosines, close_pairs

Scores = dict[int, float]


@dataclass(frozen=True)
class Scope:
    """A collection to compare with: what its index found for each picture when its clock stood at `clock`."""

    collection: Collection
    clock: int
    ranked: list[Ranked]


@dataclass(frozen=True)
class Rules:
    """When an added picture counts as a duplicate, and what becomes of it.

    near:    the score from which another picture is a copy of it; None compares nothing.
    reject:  a duplicate is not stored.
    against: other collections that it is compared with.
    """

    near: float | None = None
    reject: bool = False
    against: tuple[str, ...] = ()


@dataclass
class Admission:
    """One call's pictures. A duplicate has the same bytes or pixels, or a score that reaches `rules.near`.

    The index was asked without a lock, so `decide` adds what came since and leaves out what went; those are few.
    """

    images: Sequence[NewImage]
    rules: Rules
    _in_call: list[Scores] = field(init=False)  # of each picture, its duplicates among the earlier ones, by number

    def __post_init__(self) -> None:
        """What takes long is done here, before the lock."""
        self._in_call = [{} for _ in self.images] if self.rules.near is None else self._earlier(self.rules.near)

    def decide(self, connection: Connection, into: Collection, scopes: Sequence[Scope]) -> list[AddOutcome]:
        """Keep or refuse each picture in turn, and insert what is kept, within a `writing` transaction.

        `scopes` are collections as they stand under the lock.
        """
        before = [self._before(connection, scope) for scope in scopes]
        found = [[match for each in before for match in each[number]] for number in range(len(self.images))]
        statuses = self._statuses(found, set(ids_taken(connection, into, [image.id for image in self.images])))
        added = [number for number, status in enumerate(statuses) if status == "added"]
        seqs = insert_images(connection, into, [self.images[number] for number in added])
        records = records_of(connection, seqs)
        kept = {number: records[seq] for number, seq in zip(added, seqs, strict=True)}
        return [
            AddOutcome(image.id, statuses[number], _ordered(found[number] + self._told(number, kept, into)))
            for number, image in enumerate(self.images)
        ]

    def _statuses(self, found: list[list[Match]], taken: set[str]) -> list[AddStatus]:
        statuses: list[AddStatus] = []
        refuses = self.rules.reject
        for number, image in enumerate(self.images):
            repeats = found[number] or any(statuses[other] == "added" for other in self._in_call[number])
            status: AddStatus = "id_taken" if image.id in taken else "duplicate" if refuses and repeats else "added"
            taken |= {image.id} if status == "added" else set()
            statuses.append(status)
        return statuses

    def _told(self, number: int, kept: dict[int, ImageRecord], into: Collection) -> list[Match]:
        earlier = self._in_call[number].items()
        return [Match(kept[other], score, collection=into.name) for other, score in earlier if other in kept]

    def _before(self, connection: Connection, scope: Scope) -> list[list[Match]]:
        """For each picture its duplicates in the scope."""
        near = self.rules.near
        if near is None:
            return [[] for _ in self.images]
        scores = self._candidates(connection, scope, near)
        records = records_of(connection, {seq for each in scores for seq in each})
        return [
            [
                Match(records[seq], score, collection=scope.collection.name)
                for seq, score in each.items()
                if seq in records and relation(image, records[seq], score, near) in DUPLICATE
            ]
            for image, each in zip(self.images, scores, strict=True)
        ]

    def _candidates(self, connection: Connection, scope: Scope, near: float) -> list[Scores]:
        """For each picture the scores of what may be a duplicate of it, by seq."""
        scores: list[Scores] = [
            {seq: score for seq, score in zip(seqs.tolist(), values.tolist(), strict=True) if score >= near}
            for seqs, values in scope.ranked
        ]
        views = [image.probe for image in self.images]
        for seqs, vectors in vector_chunks(connection, scope.collection, scope.clock, scope.collection.clock):
            for each, newer in zip(scores, close_pairs(views, vectors, near), strict=True):
                each.update((int(seqs[row]), score) for row, score in newer)
        for image, each in zip(self.images, scores, strict=True):
            missing = [seq for seq in same_content(connection, scope.collection, image) if seq not in each]
            vectors = vectors_of(connection, scope.collection, missing)
            each.update(zip(missing, best_cosines(vectors, image.probe).tolist(), strict=True))
        return scores

    def _earlier(self, near: float) -> list[Scores]:
        if len(self.images) <= 1:
            return [{} for _ in self.images]
        stored = np.stack([image.vector for image in self.images]).astype(VECTOR_DTYPE).astype(np.float32)
        return [self._repeated(number, image, stored, near) for number, image in enumerate(self.images)]

    def _repeated(self, number: int, image: NewImage, stored: Vectors, near: float) -> Scores:
        scores = best_cosines(stored[:number], image.probe).tolist()
        return {
            other: score
            for other, score in enumerate(scores)
            if relation(image, self.images[other], score, near) in DUPLICATE
        }


def _ordered(matches: list[Match]) -> tuple[Match, ...]:
    return tuple(sorted(matches, key=lambda match: (-match.score, match.image.seq)))
