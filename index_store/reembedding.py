"""Re-embedding: new vectors of a collection are gathered beside the old ones, which they replace in one transaction.

Until then the collection is as it was, also for services that run over it. Rows of images stay where they are, so what
was added, deleted or changed meanwhile needs no catching up, but for pictures that have no new vector yet.
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, insert, select, update

from index_store.catalog import Catalog
from index_store.errors import Superseded
from index_store.records import Collection, ImageRecord, Vectors
from index_store.rows import ALIVE, RECORD, as_record, as_stored, find_collection, seqs_alive
from index_store.schema import collections, generations, images, new_vectors, reembeddings

# So few last pictures are embedded while nobody may write: else a service that adds all the time would stay ahead.
FEW = 16
_HAS_NEW = exists().where(new_vectors.c.seq == images.c.seq)

# Makes vectors (D,) float32 of pictures, by seq; those that cannot be read are left out.
Embed = Callable[[list[ImageRecord]], Mapping[int, Vectors]]


@dataclass(frozen=True)
class Reembedding:
    """One collection's way to another extractor (`fingerprint`, `dim`), kept in the catalog until its end.

    Every method raises CatalogUnavailable.
    """

    catalog: Catalog
    collection: Collection
    uid: str
    fingerprint: str
    dim: int

    @classmethod
    def begin(cls, catalog: Catalog, name: str, fingerprint: str, dim: int) -> Self | None:
        """Go on with what was interrupted, or begin; vectors gathered for yet another extractor are dropped.

        None where the collection is of this extractor already. Raises UnknownCollection.
        """
        with catalog.writing() as connection:
            collection = find_collection(connection, name)
            uid = _under_way(connection, collection, fingerprint, dim)
            if uid is None:
                _drop(connection, collection)
            if (collection.fingerprint, collection.dim) == (fingerprint, dim):
                return None
            if uid is None:
                uid = uuid.uuid4().hex
                values = {"collection_key": collection.key, "fingerprint": fingerprint, "dim": dim}
                connection.execute(insert(reembeddings).values(uid=uid, **values))
        return cls(catalog, collection, uid, fingerprint, dim)

    def progress(self) -> tuple[int, int]:
        """How many pictures have their new vector, and how many there are."""
        alive = select(func.count()).select_from(images).where(self._mine())
        with self.catalog.reading() as connection:
            return connection.scalar(alive.where(_HAS_NEW)) or 0, connection.scalar(alive) or 0

    def pending(self, after: int, limit: int) -> list[ImageRecord]:
        """Up to `limit` pictures with `seq` above `after` that have no new vector yet, oldest first."""
        with self.catalog.reading() as connection:
            return self._pending(connection, after, limit)

    def gather(self, vectors: Mapping[int, Vectors]) -> None:
        """Note new vectors (D,) by seq, durably; of pictures deleted meanwhile, nothing. Raises Superseded."""
        with self.catalog.writing(adds=True) as connection:
            self._check(connection)
            self._gather(connection, vectors)

    def finish(self, after: int, forget: bool, embed: Embed) -> bool:
        """Put the new vectors in the place of the old, if every picture has one; else change nothing and give False.

        The last few beyond seq `after` are embedded here. With `forget`, pictures up to `after` that have no new vector
        are dropped. From the commit on the collection belongs to the new extractor. Raises Superseded.
        """
        with self.catalog.writing() as connection:
            self._check(connection)
            last = self._pending(connection, after, FEW + 1)
            vectors = embed(last) if len(last) <= FEW else {}
            if len(vectors) < len(last) or not (forget or self._complete(connection, after)):
                return False
            self._gather(connection, vectors)
            self._swap(connection)
        return True

    def _mine(self) -> ColumnElement[bool]:
        return and_(images.c.collection_key == self.collection.key, ALIVE)

    def _pending(self, connection: Connection, after: int, limit: int) -> list[ImageRecord]:
        lacking = and_(self._mine(), images.c.seq > after, ~_HAS_NEW)
        rows = connection.execute(select(*RECORD).where(lacking).order_by(images.c.seq).limit(limit))
        return [as_record(row) for row in rows]

    def _complete(self, connection: Connection, up_to: int) -> bool:
        lacking = select(images.c.seq).where(self._mine(), images.c.seq <= up_to, ~_HAS_NEW)
        return connection.execute(lacking.limit(1)).one_or_none() is None

    def _check(self, connection: Connection) -> None:
        """Two runs for different extractors must not fill one table."""
        mine = exists().where(reembeddings.c.uid == self.uid)
        if not connection.scalar(select(mine)):
            name = self.collection.name
            raise Superseded(f"collection {name!r} was deleted, or another run that embeds it again has taken over")

    def _gather(self, connection: Connection, vectors: Mapping[int, Vectors]) -> None:
        for seq, vector in vectors.items():
            if vector.shape != (self.dim,) or not np.isfinite(vector).all():
                raise ValueError(f"the vector of picture {seq} must be {self.dim} finite numbers")
        there = set(connection.scalars(select(new_vectors.c.seq).where(new_vectors.c.seq.in_(list(vectors)))))
        rows = [
            {"seq": seq, "vector": as_stored(vectors[seq])} for seq in sorted(seqs_alive(connection, vectors) - there)
        ]
        if rows:
            connection.execute(insert(new_vectors), rows)

    def _swap(self, connection: Connection) -> None:
        key = self.collection.key
        connection.execute(delete(images).where(images.c.collection_key == key, ~and_(ALIVE, _HAS_NEW)))
        new = select(new_vectors.c.vector).where(new_vectors.c.seq == images.c.seq).scalar_subquery()
        connection.execute(update(images).where(images.c.collection_key == key).values(vector=new))
        connection.execute(delete(generations).where(generations.c.collection_key == key))
        # Another uid: what processes and index folders know under the old one is of the old vectors.
        values = {"uid": uuid.uuid4().hex, "fingerprint": self.fingerprint, "dim": self.dim}
        connection.execute(update(collections).where(collections.c.key == key).values(**values))
        _drop(connection, self.collection)


def _under_way(connection: Connection, collection: Collection, fingerprint: str, dim: int) -> str | None:
    same = and_(reembeddings.c.fingerprint == fingerprint, reembeddings.c.dim == dim)
    return connection.scalar(select(reembeddings.c.uid).where(reembeddings.c.collection_key == collection.key, same))


def _drop(connection: Connection, collection: Collection) -> None:
    mine = select(images.c.seq).where(images.c.collection_key == collection.key)
    connection.execute(delete(new_vectors).where(new_vectors.c.seq.in_(mine)))
    connection.execute(delete(reembeddings).where(reembeddings.c.collection_key == collection.key))
