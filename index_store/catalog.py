"""The catalog: every collection and image, in SQL. Each change draws the next number of one clock, in commit order."""

import uuid
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    and_,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from index_store.calibrations import find_calibration, replace_calibration
from index_store.errors import CollectionExists
from index_store.kept import find_kept, forget_kept, kept_facts, kept_totals
from index_store.pairs import forget_pairs
from index_store.records import Collection, ImageRecord, KeptFacts, KeptPicture, Vectors
from index_store.relation import Facts
from index_store.rows import (
    ALIVE,
    RECORD,
    advance_clock,
    all_collections,
    as_record,
    find_collection,
    find_image,
    ids_taken,
    no_image,
    now,
    records_of,
    same_bytes,
    same_content,
    seqs_alive,
    stored_images,
)
from index_store.schema import collections, generations, images
from index_store.transactions import Transactions
from index_store.version import Unchanged

PURGE_CHUNK = 1000


class Catalog(Transactions):
    """SQL access to collections and images; safe to share between threads, and between processes by URL."""

    def collection(self, name: str) -> Collection:
        """The collection as it stands now. Raises UnknownCollection."""
        return self._collections.get(name)

    @cached_property
    def _collections(self) -> Unchanged[str, Collection]:
        def read(name: str) -> Collection:
            with self.reading() as connection:
                return find_collection(connection, name)

        return Unchanged(self.version, read)

    def collections(self) -> list[Collection]:
        """All collections, by name."""
        with self.reading() as connection:
            return all_collections(connection)

    def create_collection(self, name: str, fingerprint: str, dim: int, threshold: float | None) -> Collection:
        """Raises CollectionExists."""
        values = {
            "uid": uuid.uuid4().hex,
            "name": name,
            "fingerprint": fingerprint,
            "dim": dim,
            "threshold": threshold,
            "clock": 0,
        }
        try:
            with self.writing(adds=True) as connection:
                connection.execute(insert(collections).values(**values, created_at=now()))
        except IntegrityError:
            raise CollectionExists(f"there is a collection {name!r} already") from None
        return self.collection(name)

    def set_threshold(self, name: str, threshold: float | None) -> Collection:
        """From the next request on, in every process. Raises UnknownCollection."""
        with self.writing() as connection:
            key = find_collection(connection, name).key
            connection.execute(update(collections).where(collections.c.key == key).values(threshold=threshold))
            return find_collection(connection, name)

    def delete_collection(self, name: str) -> Collection:
        """Forget the collection with its images and kept pictures; says what it was. Raises UnknownCollection."""
        with self.writing() as connection:
            collection = find_collection(connection, name)
            connection.execute(delete(images).where(images.c.collection_key == collection.key))
            connection.execute(delete(generations).where(generations.c.collection_key == collection.key))
            connection.execute(delete(collections).where(collections.c.key == collection.key))
        return collection

    def image(self, collection: Collection, image_id: str) -> ImageRecord:
        """Raises UnknownImage."""
        with self.reading() as connection:
            return as_record(find_image(connection, collection, image_id))

    def images(self, collection: Collection, after: int, limit: int) -> list[ImageRecord]:
        """Up to `limit` images with `seq` above `after`, oldest first."""
        wanted = and_(images.c.collection_key == collection.key, images.c.seq > after, ALIVE)
        with self.reading() as connection:
            rows = connection.execute(select(*RECORD).where(wanted).order_by(images.c.seq).limit(limit))
            return [as_record(row) for row in rows]

    def images_by_seq(self, seqs: Iterable[int]) -> dict[int, ImageRecord]:
        """Those of `seqs` that exist and are not deleted."""
        with self.reading() as connection:
            return records_of(connection, seqs)

    def same_bytes(self, collection: Collection, sha256: str) -> tuple[ImageRecord, Vectors] | None:
        """The oldest image with these very bytes, and its stored vector (D,) float32, of norm 1."""
        with self.reading() as connection:
            return same_bytes(connection, collection, sha256)

    def stored(self, collection: Collection, image_id: str) -> tuple[ImageRecord, Vectors]:
        """An image and its stored vector (D,) float32, of norm 1. Raises UnknownImage."""
        with self.reading() as connection:
            found = stored_images(connection, collection, images.c.id == image_id)
        if not found:
            raise no_image(collection, image_id)
        return found[0]

    def same_content(self, collection: Collection, picture: Facts) -> list[tuple[ImageRecord, Vectors]]:
        """The oldest images with the bytes and with the pixels of `picture`, and their vectors (D,), of norm 1."""
        with self.reading() as connection:
            seqs = same_content(connection, collection, picture)
            return stored_images(connection, collection, images.c.seq.in_(seqs)) if seqs else []

    def gone(self, seqs: Iterable[int]) -> set[int]:
        """Those of `seqs` that are deleted."""
        asked = set(seqs)
        with self.reading() as connection:
            return asked - seqs_alive(connection, asked)

    def known_ids(self, collection: Collection, ids: Sequence[str]) -> dict[str, str]:
        """Those of `ids` that the collection holds, with the SHA-256 of their bytes."""
        with self.reading() as connection:
            return ids_taken(connection, collection, ids)

    def update_metadata(self, collection: Collection, image_id: str, metadata: dict[str, Any]) -> ImageRecord:
        """Replace the metadata of an image. Raises UnknownImage."""
        with self.writing(adds=True) as connection:
            row = find_image(connection, collection, image_id)
            connection.execute(update(images).where(images.c.seq == row.seq).values(metadata=metadata))
            return as_record(find_image(connection, collection, image_id))

    def delete_image(self, collection: Collection, image_id: str) -> None:
        """Mark the image deleted, for every process at its next look. Raises UnknownImage."""
        with self.writing() as connection:
            row = find_image(connection, collection, image_id)
            moment = advance_clock(connection, collection, 1)
            change = update(images).where(images.c.seq == row.seq).values(deleted_seq=moment, deleted_at=now())
            connection.execute(change)
            forget_kept(connection, row.seq)
            forget_pairs(connection, row.seq)

    def kept_picture(self, seq: int) -> KeptPicture | None:
        """What is kept of the image of this seq."""
        with self.reading() as connection:
            return find_kept(connection, seq)

    def kept_facts(self, collection: Collection, image_id: str) -> KeptFacts | None:
        """What is kept of an image, without reading it."""
        with self.reading() as connection:
            return kept_facts(connection, collection, image_id)

    def kept_totals(self, collection: Collection) -> tuple[int, int]:
        """How many pictures of a collection are kept, and their bytes."""
        with self.reading() as connection:
            return kept_totals(connection, collection)

    def purge(self, collection: Collection, up_to: int) -> None:
        """Drop the rows of images deleted at or before clock `up_to`: the newest generation does not hold them.

        A few at a time, for who waits to write.
        """
        gone = and_(images.c.collection_key == collection.key, images.c.deleted_seq <= up_to)
        some = select(images.c.seq).where(gone).limit(PURGE_CHUNK)
        dropped = PURGE_CHUNK
        while dropped == PURGE_CHUNK:
            with self.writing() as connection:
                dropped = connection.execute(delete(images).where(images.c.seq.in_(some))).rowcount

    def calibration(self, collection: Collection, mode: str) -> dict[str, Any] | None:
        """What was noted of the worth of scores in this mode of search; None where nothing holds for these vectors."""
        with self.reading() as connection:
            return find_calibration(connection, collection, mode)

    def set_calibration(self, collection: Collection, mode: str, data: dict[str, Any]) -> None:
        """Note it, in place of what was noted before. Raises UnknownCollection where the vectors are others by now."""
        with self.writing() as connection:
            replace_calibration(connection, collection, mode, data)

    def count(self, collection: Collection) -> int:
        """Images that are not deleted."""
        return self._count(and_(images.c.collection_key == collection.key, ALIVE))

    def changes_since(self, collection: Collection, since: int) -> int:
        """Images added or deleted after clock `since`."""
        mine = images.c.collection_key == collection.key
        return self._count(and_(mine, images.c.seq > since)) + self._count(and_(mine, images.c.deleted_seq > since))

    def totals(self, collection: Collection, since: int) -> tuple[int, int]:
        """`count`, and `changes_since`, in one statement."""
        mine = images.c.collection_key == collection.key
        wanted = (and_(mine, ALIVE), and_(mine, images.c.seq > since), and_(mine, images.c.deleted_seq > since))
        with self.reading() as connection:
            found: Any = connection.execute(select(*(_counted(each) for each in wanted))).one()
        return found[0], found[1] + found[2]

    def _count(self, condition: ColumnElement[bool]) -> int:
        with self.reading() as connection:
            return connection.scalar(select(_counted(condition))) or 0


def _counted(condition: ColumnElement[bool]) -> ScalarSelect[int]:
    return select(func.count()).select_from(images).where(condition).scalar_subquery()
