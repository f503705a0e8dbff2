"""Statements on the pictures that the catalog keeps, each within a connection that the caller holds."""

from collections.abc import Iterable

from sqlalchemy import Connection, delete, func, insert, select

from index_store.records import Collection, KeptFacts, KeptPicture
from index_store.schema import images, pictures


def insert_kept(connection: Connection, collection: Collection, kept: Iterable[tuple[int, KeptPicture]]) -> None:
    """Keep pictures of the images of these seqs, within the transaction that inserts those."""
    rows = [
        {"seq": seq, "collection_key": collection.key, "kind": each.kind, "size": len(each.data), "data": each.data}
        for seq, each in kept
    ]
    if rows:
        connection.execute(insert(pictures), rows)


def forget_kept(connection: Connection, seq: int) -> None:
    """Within the transaction that marks the image deleted; rows of images that are dropped take theirs along."""
    connection.execute(delete(pictures).where(pictures.c.seq == seq))


def find_kept(connection: Connection, seq: int) -> KeptPicture | None:
    """What is kept of an image."""
    row = connection.execute(select(pictures.c.kind, pictures.c.data).where(pictures.c.seq == seq)).one_or_none()
    return KeptPicture(row.kind, row.data) if row else None


def kept_facts(connection: Connection, collection: Collection, image_id: str) -> KeptFacts | None:
    """What is kept of an image, without reading it."""
    mine = (images.c.collection_key == collection.key) & (images.c.id == image_id) & images.c.deleted_seq.is_(None)
    query = select(pictures.c.kind, pictures.c.size).join(images, images.c.seq == pictures.c.seq).where(mine)
    row = connection.execute(query).one_or_none()
    return KeptFacts(row.kind, row.size) if row else None


def kept_totals(connection: Connection, collection: Collection) -> tuple[int, int]:
    """How many pictures of a collection are kept, and their bytes."""
    sums = select(func.count(), func.coalesce(func.sum(pictures.c.size), 0))
    row = connection.execute(sums.where(pictures.c.collection_key == collection.key)).one()
    return row[0], int(row[1])
