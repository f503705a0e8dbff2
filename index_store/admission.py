"""Check-and-add: decides, under the catalog's write lock, which pictures of one call are kept."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from sqlalchemy import Connection

from index_store.catalog import Catalog
from index_store.ranking import Ranked
from index_store.records import AddOutcome, AddStatus, Collection, Match, NewImage, Vectors
from index_store.rows import VECTOR_DTYPE, ids_taken, insert_images, seqs_alive, vector_chunks
from index_store.scoring import close_pairs

Scored = tuple[int, float]


@dataclass
class Admission:
    """One call's pictures with their (N, D) vectors, and what the index said of each just before, if `near` is given.

    The index was asked without a lock, so `decide` adds what came since and takes away what went; those are few.
    """

    images: Sequence[NewImage]
    vectors: Vectors
    ranked: list[Ranked]
    near: float | None
    reject: bool
    _in_call: list[list[Scored]] = field(init=False)  # by number in this call
    _statuses: list[AddStatus] = field(default_factory=list)
    _near: list[list[Scored]] = field(default_factory=list)  # by seq

    def __post_init__(self) -> None:
        """What takes long is done here, before the lock."""
        stored = self.vectors.astype(VECTOR_DTYPE).astype(np.float32)
        self._in_call = self._pairs(stored)

    def decide(self, connection: Connection, collection: Collection, since: int) -> None:
        """Keep or refuse each picture in turn, and insert what is kept, within a `writing` transaction."""
        before = self._before(connection, collection, since)
        taken = set(ids_taken(connection, collection, [image.id for image in self.images]))
        kept: dict[int, NewImage] = {}
        for number, image in enumerate(self.images):
            near = before[number] or any(other in kept for other, _ in self._in_call[number])
            status: AddStatus = "id_taken" if image.id in taken else "duplicate" if self.reject and near else "added"
            self._statuses.append(status)
            if status == "added":
                kept[number] = image
                taken.add(image.id)
        seqs = dict(zip(kept, insert_images(connection, collection, list(kept.values())), strict=True))
        for number, near_before in enumerate(before):
            earlier = [(seqs[o], score) for o, score in self._in_call[number] if o < number and o in seqs]
            self._near.append(near_before + earlier)

    def outcomes(self, catalog: Catalog) -> list[AddOutcome]:
        """After the commit: one outcome a picture, in order, with its near ones best first."""
        records = catalog.images_by_seq({seq for near in self._near for seq, _ in near})
        return [
            AddOutcome(image.id, status, _ordered(Match(records[s], score) for s, score in near if s in records))
            for image, status, near in zip(self.images, self._statuses, self._near, strict=True)
        ]

    def _before(self, connection: Connection, collection: Collection, since: int) -> list[list[Scored]]:
        """(seq, score) of the pictures near to each that the collection holds as it stands."""
        if self.near is None:
            return [[] for _ in self.images]
        found = [
            [(seq, score) for seq, score in zip(seqs.tolist(), scores.tolist(), strict=True) if score >= self.near]
            for seqs, scores in self.ranked
        ]
        alive = seqs_alive(connection, {seq for near in found for seq, _ in near})
        found = [[pair for pair in near if pair[0] in alive] for near in found]
        for seqs, vectors in vector_chunks(connection, collection, since, collection.clock):
            for near, newer in zip(found, self._pairs(vectors), strict=True):
                near += [(int(seqs[row]), score) for row, score in newer]
        return found

    def _pairs(self, vectors: Vectors) -> list[list[Scored]]:
        """For each picture the (row, score) of those of `vectors` that are near it."""
        return close_pairs(self.vectors, vectors, self.near) if self.near is not None else [[] for _ in self.images]


def _ordered(matches: Iterable[Match]) -> tuple[Match, ...]:
    return tuple(sorted(matches, key=lambda match: (-match.score, match.image.seq)))
