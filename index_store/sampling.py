"""Pictures of a collection drawn at random, with the vectors that are stored of them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, and_, select

from index_store.catalog import Catalog
from index_store.records import Collection, ImageRecord, Seqs, Vectors
from index_store.rows import ALIVE, VECTOR_DTYPE, records_of
from index_store.schema import images

PAGE = 64


@dataclass(frozen=True, eq=False)
class Drawn:
    """A stored picture and its vector (D,)."""

    image: ImageRecord
    vector: Vectors


def draw(catalog: Catalog, collection: Collection, seed: int) -> Iterator[Drawn]:
    """Every picture of a collection that has content, each once, in random order; not what is deleted meanwhile.

    The same seed and the same pictures give the same order. The numbers of all are held, a page of the rest.
    """
    with catalog.reading() as connection:
        order = np.random.default_rng(seed).permutation(_living(connection, collection))
    for start in range(0, len(order), PAGE):
        yield from _page(catalog, order[start : start + PAGE].tolist())


def _living(connection: Connection, collection: Collection) -> Seqs:
    wanted = and_(images.c.collection_key == collection.key, ~images.c.indeterminate, ALIVE)
    found = connection.scalars(select(images.c.seq).where(wanted).order_by(images.c.seq))
    return np.fromiter(found, dtype=np.int64)


def _page(catalog: Catalog, seqs: list[int]) -> Iterator[Drawn]:
    with catalog.reading() as connection:
        records = records_of(connection, seqs)
        stored = select(images.c.seq, images.c.vector).where(images.c.seq.in_(seqs), ALIVE)
        vectors = {row.seq: np.frombuffer(row.vector, VECTOR_DTYPE) for row in connection.execute(stored)}
    for seq in seqs:
        if seq in records and seq in vectors:
            yield Drawn(records[seq], vectors[seq].astype(np.float32))
