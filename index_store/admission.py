"""Check-and-add: decides, under the catalog's write lock, which pictures of one call are kept."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sqlalchemy import Connection

from index_store.catalog import Catalog
from index_store.records import AddOutcome, AddStatus, Collection, Match, NewImage, Seqs, Vectors
from index_store.rows import VECTOR_DTYPE, ids_taken, insert_images, seqs_alive, vector_chunks
from index_store.scoring import cosines

Scored = tuple[int, float]


@dataclass
class Admission:
    """One call's pictures, and what the index said of each just before: (seqs, scores), best first, if `near` is given.

    The index was asked without a lock, so `decide` adds what came since and takes away what went; those are few.
    """

    images: Sequence[NewImage]
    ranked: list[tuple[Seqs, Any]]
    near: float | None
    reject: bool
    _statuses: list[AddStatus] = field(default_factory=list)
    _near: list[list[Scored]] = field(default_factory=list)

    def decide(self, connection: Connection, collection: Collection, since: int) -> None:
        """Keep or refuse each picture in turn, and insert what is kept, within a `writing` transaction."""
        seqs, vectors = self._newer(connection, collection, since)
        alive = seqs_alive(connection, {int(seq) for found, _ in self.ranked for seq in found})
        taken = set(ids_taken(connection, collection, [image.id for image in self.images]))
        kept: list[NewImage] = []
        for number, image in enumerate(self.images):
            near = [pair for pair in self._found(number) if pair[0] in alive]
            near += self._compared(image, seqs, vectors)
            near += self._compared_in_call(image, kept)
            status: AddStatus = "id_taken" if image.id in taken else "duplicate" if self.reject and near else "added"
            self._statuses.append(status)
            self._near.append(near)
            if status == "added":
                kept.append(image)
                taken.add(image.id)
        drawn = insert_images(connection, collection, kept)
        self._near = [[(drawn[-1 - seq] if seq < 0 else seq, score) for seq, score in near] for near in self._near]

    def outcomes(self, catalog: Catalog) -> list[AddOutcome]:
        """After the commit: one outcome a picture, in order, with its near ones best first."""
        records = catalog.images_by_seq({seq for near in self._near for seq, _ in near})
        return [
            AddOutcome(image.id, status, _ordered(Match(records[s], score) for s, score in near if s in records))
            for image, status, near in zip(self.images, self._statuses, self._near, strict=True)
        ]

    def _newer(self, connection: Connection, collection: Collection, since: int) -> tuple[Seqs, Vectors]:
        seqs, vectors = [np.empty(0, np.int64)], [np.empty((0, collection.dim), np.float32)]
        if self.near is not None:
            for chunk_seqs, chunk in vector_chunks(connection, collection, since, collection.clock):
                seqs.append(chunk_seqs)
                vectors.append(chunk)
        return np.concatenate(seqs), np.concatenate(vectors)

    def _found(self, number: int) -> Iterable[Scored]:
        if self.near is None:
            return []
        seqs, scores = self.ranked[number]
        return [(int(seq), float(score)) for seq, score in zip(seqs, scores, strict=True) if score >= self.near]

    def _compared(self, image: NewImage, seqs: Seqs, vectors: Vectors) -> list[Scored]:
        if self.near is None or not len(seqs):
            return []
        scores = cosines(vectors, image.vector)
        return [(int(seq), float(score)) for seq, score in zip(seqs, scores, strict=True) if score >= self.near]

    def _compared_in_call(self, image: NewImage, kept: Sequence[NewImage]) -> list[Scored]:
        """Against the call's own pictures: their seqs are not drawn yet, so -1, -2, ... stand for the first, second."""
        if self.near is None or not kept:
            return []
        vectors = np.stack([other.vector for other in kept]).astype(VECTOR_DTYPE).astype(np.float32)
        return self._compared(image, -1 - np.arange(len(kept)), vectors)


def _ordered(matches: Iterable[Match]) -> tuple[Match, ...]:
    return tuple(sorted(matches, key=lambda match: (-match.score, match.image.seq)))
