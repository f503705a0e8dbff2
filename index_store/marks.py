"""Marks: what people say of two stored pictures, which weighs more than any score."""

from collections.abc import Collection as AbstractCollection
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from index_store.catalog import Catalog
from index_store.errors import SamePicture, UnknownPair
from index_store.pairs import (
    PAIR_VECTORS,
    Pair,
    PairVerdict,
    PairVerdicts,
    any_pairs,
    delete_pair,
    find_pair,
    insert_pair,
    list_pairs,
    of_collection,
    of_image,
    pairs_among,
    pairs_of,
    pairs_version,
    within,
)
from index_store.records import Collection, Vectors
from index_store.rows import VECTOR_DTYPE, draw_numbers, find_collection, find_image
from index_store.schema import pairs
from index_store.version import Unchanged

CHUNK = 1024
Picture = tuple[str, str]  # names of its collection and of itself


@dataclass(frozen=True, eq=False)
class MarkedVectors:
    """Ids of M marked pairs, their vectors (M, D) float32, row by row, and whether they are duplicates (M,)."""

    ids: list[tuple[str, str]]
    a: Vectors
    b: Vectors
    duplicates: NDArray[np.bool_]


@dataclass(frozen=True)
class Marks:
    """The marked pairs of a catalog. Methods raise UnknownCollection and UnknownImage of what is not there."""

    catalog: Catalog

    def mark(self, one: Picture, other: Picture, verdict: PairVerdict) -> Pair:
        """Say whether two pictures are duplicates, in place of what was said before. Raises SamePicture."""
        with self.catalog.writing(adds=True) as connection:
            number = draw_numbers(connection, 1)
            older, newer = _ordered(connection, one, other)
            if older == newer:
                raise SamePicture(f"{one[1]!r} cannot be marked with itself")
            key = older[0], newer[0]
            if pairs_among(connection, key) != {key: verdict}:
                delete_pair(connection, *key)
                insert_pair(connection, older, newer, verdict, number)
            return find_pair(connection, *key)

    def unmark(self, one: Picture, other: Picture) -> None:
        """Take back what was said. Raises UnknownPair."""
        with self.catalog.writing() as connection:
            older, newer = _ordered(connection, one, other)
            if not delete_pair(connection, older[0], newer[0]):
                raise UnknownPair(f"{one[1]!r} and {other[1]!r} are not marked")

    def listing(
        self,
        collection: str,
        image: str | None = None,
        after: int = 0,
        limit: int = 100,
        collections: AbstractCollection[str] | None = None,
    ) -> list[Pair]:
        """Up to `limit` marks with `number` above `after`, oldest first, of a collection or of one of its images.

        collections: names of those that both pictures have to be in; None for any.
        """
        with self.catalog.reading() as connection:
            home = find_collection(connection, collection)
            mine = of_collection(home.key) if image is None else of_image(find_image(connection, home, image).seq)
            seen = [] if collections is None else [within(collections)]
            return list_pairs(connection, after, limit, mine, *seen)

    def of(self, seqs: Iterable[int]) -> PairVerdicts:
        """Every mark that one of `seqs` has part in."""
        with self.catalog.reading() as connection:
            return pairs_of(connection, seqs)

    def among(self, seqs: Iterable[int]) -> PairVerdicts:
        """Every mark of two of `seqs`."""
        if not self._any.get(None):
            return {}
        with self.catalog.reading() as connection:
            return pairs_among(connection, seqs)

    @cached_property
    def _any(self) -> Unchanged[None, bool]:
        """Whether there are marks at all: most catalogs have none, and every search of a known picture asks."""

        def read(_: None) -> bool:
            with self.catalog.reading() as connection:
                return any_pairs(connection)

        return Unchanged(self.catalog.version, read)

    def version(self, *collections: Collection) -> tuple[int, int]:
        """Two numbers that change with every mark among the pictures of `collections`."""
        with self.catalog.reading() as connection:
            return pairs_version(connection, [each.key for each in collections])

    def vectors(self, collection: Collection) -> Iterator[MarkedVectors]:
        """The marked pairs within a collection with their vectors, for calibration; CHUNK at a time, oldest first."""
        within = PAIR_VECTORS.where(pairs.c.a_key == collection.key, pairs.c.b_key == collection.key).limit(CHUNK)
        after = 0
        with self.catalog.reading() as connection:
            while rows := connection.execute(within.where(pairs.c.number > after)).all():
                sides = (_vectors([row.a for row in rows]), _vectors([row.b for row in rows]))
                ids = [(row.a_id, row.b_id) for row in rows]
                yield MarkedVectors(ids, *sides, np.array([row.verdict == "duplicates" for row in rows]))
                after = rows[-1].number


def _ordered(connection: Connection, one: Picture, other: Picture) -> list[tuple[int, int]]:
    """(seq, collection key) of each, the older first."""
    homes = [(find_collection(connection, name), image_id) for name, image_id in (one, other)]
    return sorted((int(find_image(connection, home, image_id).seq), home.key) for home, image_id in homes)


def _vectors(stored: list[bytes]) -> Vectors:
    halves = np.frombuffer(b"".join(stored), dtype=VECTOR_DTYPE)
    return halves.reshape(len(stored), -1).astype(np.float32)
