"""The catalog: every collection and image, in SQL. Each change draws the next number of one clock, in commit order."""

import threading
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from index_store import schema
from index_store.errors import CatalogUnavailable, CollectionExists
from index_store.records import Collection, ImageRecord
from index_store.rows import (
    ALIVE,
    RECORD,
    advance_clock,
    as_collection,
    as_record,
    chunks,
    find_collection,
    find_image,
    ids_taken,
    now,
)
from index_store.schema import collections, images


class Catalog:
    """SQL access to collections and images; safe to share between threads, and between processes by URL."""

    def __init__(self, url: str) -> None:
        with _explained():
            self.engine = schema.connect(url)
        # Single statements need no transaction; without one SQLite spares two round trips.
        self._reader = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._writer = self.engine.execution_options(writing=True)
        # Threads queue here in turn: SQLite's own waiting sleeps, and is unfair.
        self._write_turn = threading.Lock()

    def close(self) -> None:
        """Give back every connection."""
        self.engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection on which every statement sees the newest commit."""
        with _explained(), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that holds the write lock from its start; commits durably on exit, rolls back on an error."""
        with _explained(), self._write_turn, self._writer.begin() as connection:
            yield connection

    def collection(self, name: str) -> Collection:
        """The collection as it stands now. Raises UnknownCollection."""
        with self.reading() as connection:
            return find_collection(connection, name)

    def collections(self) -> list[Collection]:
        """All collections, by name."""
        with self.reading() as connection:
            return [as_collection(row) for row in connection.execute(select(collections).order_by(collections.c.name))]

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
            with self.writing() as connection:
                connection.execute(insert(collections).values(**values, created_at=now()))
        except IntegrityError:
            raise CollectionExists(f"there is a collection {name!r} already") from None
        return self.collection(name)

    def delete_collection(self, name: str) -> Collection:
        """Forget the collection and all its images; says what it was. Raises UnknownCollection."""
        with self.writing() as connection:
            collection = find_collection(connection, name)
            connection.execute(delete(images).where(images.c.collection_key == collection.key))
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
        found: dict[int, ImageRecord] = {}
        with self.reading() as connection:
            for chunk in chunks(list(seqs)):
                rows = connection.execute(select(*RECORD).where(images.c.seq.in_(chunk), ALIVE))
                found.update((row.seq, as_record(row)) for row in rows)
        return found

    def known_ids(self, collection: Collection, ids: Sequence[str]) -> dict[str, str]:
        """Those of `ids` that the collection holds, with the SHA-256 of their bytes."""
        known: dict[str, str] = {}
        with self.reading() as connection:
            for chunk in chunks(ids):
                known.update(ids_taken(connection, collection, chunk))
        return known

    def update_metadata(self, collection: Collection, image_id: str, metadata: dict[str, Any]) -> ImageRecord:
        """Replace the metadata of an image. Raises UnknownImage."""
        with self.writing() as connection:
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

    def purge(self, collection: Collection, up_to: int) -> None:
        """Drop the rows of images deleted at or before clock `up_to`: the newest generation does not hold them."""
        gone = and_(images.c.collection_key == collection.key, images.c.deleted_seq <= up_to)
        with self.writing() as connection:
            connection.execute(delete(images).where(gone))

    def count(self, collection: Collection) -> int:
        """Images that are not deleted."""
        return self._count(and_(images.c.collection_key == collection.key, ALIVE))

    def changes_since(self, collection: Collection, since: int) -> int:
        """Images added or deleted after clock `since`."""
        mine = images.c.collection_key == collection.key
        return self._count(and_(mine, images.c.seq > since)) + self._count(and_(mine, images.c.deleted_seq > since))

    def _count(self, condition: ColumnElement[bool]) -> int:
        with self.reading() as connection:
            return connection.scalar(select(func.count()).select_from(images).where(condition)) or 0


@contextmanager
def _explained() -> Iterator[None]:
    """Trouble with the database itself becomes CatalogUnavailable; a broken constraint is the caller's to explain."""
    try:
        yield
    except IntegrityError:
        raise
    except SQLAlchemyError as error:
        raise CatalogUnavailable(f"the catalog cannot be used: {getattr(error, 'orig', None) or error}") from error
