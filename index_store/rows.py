"""Statements on the catalog's tables, each within a connection that the caller holds; rows become dataclasses here."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, exists, func, insert, select, update

from index_store.errors import UnknownCollection, UnknownImage
from index_store.kept import insert_kept
from index_store.records import Collection, ImageRecord, NewImage, Seqs, Vectors
from index_store.relation import Facts
from index_store.schema import clock, collections, images

VECTOR_DTYPE = np.dtype("<f2")
CHUNK = 4096
ALIVE = images.c.deleted_seq.is_(None)
RECORD = [images.c[field.name] for field in fields(ImageRecord)]
# What every search asks is put together once: building a statement costs as much as running it.
_COLLECTION = select(*[collections.c[field.name] for field in fields(Collection)]).order_by(collections.c.name)
_COLLECTION_BY_NAME = _COLLECTION.where(collections.c.name == bindparam("name"))
_OLDEST_BY_SHA256 = (
    select(*RECORD, images.c.vector)
    .join(collections, collections.c.key == images.c.collection_key)
    .where(images.c.collection_key == bindparam("key"), images.c.sha256 == bindparam("sha256"), ALIVE)
    .where(collections.c.uid == bindparam("uid"))
    .order_by(images.c.seq)
    .limit(1)
)
_RECORDS_BY_SEQ = select(*RECORD).where(images.c.seq.in_(bindparam("seqs", expanding=True)), ALIVE)


def find_collection(connection: Connection, name: str) -> Collection:
    """Raises UnknownCollection."""
    row = connection.execute(_COLLECTION_BY_NAME, {"name": name}).one_or_none()
    if row is None:
        raise UnknownCollection(f"there is no collection {name!r}; it is created by its first add or POST /collections")
    return _as_collection(row)


def all_collections(connection: Connection) -> list[Collection]:
    """By name."""
    return [_as_collection(row) for row in connection.execute(_COLLECTION)]


def ids_taken(connection: Connection, collection: Collection, ids: Sequence[str]) -> dict[str, str]:
    """Those of `ids` that the collection holds, with their SHA-256."""
    taken: dict[str, str] = {}
    for chunk in _chunks(ids):
        wanted = and_(images.c.collection_key == collection.key, images.c.id.in_(chunk), ALIVE)
        taken.update(
            (row.id, row.sha256) for row in connection.execute(select(images.c.id, images.c.sha256).where(wanted))
        )
    return taken


def seqs_alive(connection: Connection, seqs: Iterable[int]) -> set[int]:
    """Those of `seqs` that exist and are not deleted."""
    alive: set[int] = set()
    for chunk in _chunks(list(seqs)):
        alive.update(connection.scalars(select(images.c.seq).where(images.c.seq.in_(chunk), ALIVE)))
    return alive


def records_of(connection: Connection, seqs: Iterable[int]) -> dict[int, ImageRecord]:
    """Those of `seqs` that exist and are not deleted, with what the catalog says of them."""
    found: dict[int, ImageRecord] = {}
    for chunk in _chunks(list(seqs)):
        found.update((row[0], as_record(row)) for row in connection.execute(_RECORDS_BY_SEQ, {"seqs": chunk}))
    return found


def same_content(connection: Connection, collection: Collection, image: Facts) -> list[int]:
    """Seqs of the oldest image with the very bytes of `image`, and of the oldest with its pixels, where there are any.

    Ordered by nothing; one image may be both.
    """
    mine = and_(images.c.collection_key == collection.key, ALIVE)
    size = and_(images.c.width == image.width, images.c.height == image.height)
    oldest = select(func.min(images.c.seq))
    found = {
        connection.scalar(oldest.where(mine, images.c.sha256 == image.sha256)),
        connection.scalar(oldest.where(mine, size, images.c.pixels_sha256 == image.pixels_sha256)),
    }
    return [seq for seq in found if seq is not None]


def same_bytes(connection: Connection, collection: Collection, sha256: str) -> tuple[ImageRecord, Vectors] | None:
    """The oldest image with these very bytes, and its stored vector (D,), of norm 1; read in one statement."""
    wanted = {"key": collection.key, "uid": collection.uid, "sha256": sha256}
    row = connection.execute(_OLDEST_BY_SHA256, wanted).one_or_none()
    if row is None:
        return None
    return _with_vector(row)


def stored_images(
    connection: Connection, collection: Collection, wanted: ColumnElement[bool]
) -> list[tuple[ImageRecord, Vectors]]:
    """Images of the collection that are `wanted`, and their stored vectors (D,), of norm 1; read in one statement."""
    mine = and_(images.c.collection_key == collection.key, _is_current(collection), ALIVE, wanted)
    return [_with_vector(row) for row in connection.execute(select(*RECORD, images.c.vector).where(mine))]


def _with_vector(row: Any) -> tuple[ImageRecord, Vectors]:
    *record, stored = row
    vector = np.frombuffer(stored, dtype=VECTOR_DTYPE).astype(np.float32)
    return ImageRecord(*record), vector / (np.linalg.norm(vector) or 1)


def vectors_of(connection: Connection, collection: Collection, seqs: Sequence[int]) -> Vectors:
    """Stored vectors (M, D) float32 of images that exist, in the order of `seqs`; their length is a little off one."""
    found: dict[int, bytes] = {}
    for chunk in _chunks(seqs):
        rows = connection.execute(select(images.c.seq, images.c.vector).where(images.c.seq.in_(chunk)))
        found.update((row.seq, row.vector) for row in rows)
    halves = np.frombuffer(b"".join(found[seq] for seq in seqs), dtype=VECTOR_DTYPE)
    return halves.reshape(len(seqs), collection.dim).astype(np.float32)


def insert_images(connection: Connection, collection: Collection, new: Sequence[NewImage]) -> list[int]:
    """Insert within a `writing` transaction; gives the `seq` of each, increasing."""
    if not new:
        return []
    first = advance_clock(connection, collection, len(new)) - len(new) + 1
    moment = now()
    rows = [{**_columns(image), "seq": first + i, "created_at": moment} for i, image in enumerate(new)]
    connection.execute(insert(images), [{**row, "collection_key": collection.key} for row in rows])
    insert_kept(connection, collection, [(first + i, image.kept) for i, image in enumerate(new) if image.kept])
    return [row["seq"] for row in rows]


def advance_clock(connection: Connection, collection: Collection, steps: int) -> int:
    """Draw `steps` numbers and note the last at the collection."""
    moment = draw_numbers(connection, steps)
    connection.execute(update(collections).where(collections.c.key == collection.key).values(clock=moment))
    return moment


def draw_numbers(connection: Connection, steps: int) -> int:
    """The last of `steps` numbers of the clock; the row lock makes numbers follow commit order."""
    ticked = update(clock).where(clock.c.id == 1).values(value=clock.c.value + steps).returning(clock.c.value)
    last: int = connection.execute(ticked).scalar_one()
    return last


def vector_chunks(
    connection: Connection, collection: Collection, after: int, up_to: int
) -> Iterator[tuple[Seqs, Vectors]]:
    """Living images with after < seq <= up_to, ascending, in chunks of seqs (M,) int64 and vectors (M, D) float32.

    One short read a chunk: however many rows there are, memory stays small and no transaction stays open.
    Raises UnknownCollection where the collection ends meanwhile, deleted or embedded again: what was given is no longer
    all there is.
    """
    mine = and_(images.c.collection_key == collection.key, _is_current(collection))
    query = select(images.c.seq, images.c.vector).where(mine, images.c.seq <= up_to, ALIVE).order_by(images.c.seq)
    full = after < up_to
    while full and (rows := connection.execute(query.where(images.c.seq > after).limit(CHUNK)).all()):
        halves = np.frombuffer(b"".join(row.vector for row in rows), dtype=VECTOR_DTYPE)
        seqs = np.array([row.seq for row in rows], dtype=np.int64)
        yield seqs, halves.reshape(len(rows), collection.dim).astype(np.float32)
        after, full = rows[-1].seq, len(rows) == CHUNK
    if not connection.scalar(select(_is_current(collection))):
        raise UnknownCollection(f"collection {collection.name!r} was deleted or embedded again meanwhile")


def deletions_between(connection: Connection, collection: Collection, after: int, up_to: int) -> list[int]:
    """Seqs of images deleted at after < clock <= up_to."""
    deleted = images.c.deleted_seq
    wanted = and_(images.c.collection_key == collection.key, deleted > after, deleted <= up_to)
    return list(connection.scalars(select(images.c.seq).where(wanted)))


def find_image(connection: Connection, collection: Collection, image_id: str) -> Row[Any]:
    wanted = and_(images.c.collection_key == collection.key, images.c.id == image_id, ALIVE)
    row = connection.execute(select(*RECORD).where(wanted)).one_or_none()
    if row is None:
        raise no_image(collection, image_id)
    return row


def no_image(collection: Collection, image_id: str) -> UnknownImage:
    return UnknownImage(f"there is no image {image_id!r} in collection {collection.name!r}")


def _is_current(collection: Collection) -> ColumnElement[bool]:
    """Whether the rows under the collection's key are still its own: one embedded again keeps its key, not its uid."""
    return exists().where(collections.c.key == collection.key, collections.c.uid == collection.uid)


def _chunks(values: Sequence[Any], size: int = 500) -> Iterator[Sequence[Any]]:
    return (values[i : i + size] for i in range(0, len(values), size))


def _columns(image: NewImage) -> dict[str, Any]:
    apart = ("vector", "kept", "views", "arrival")
    plain = {name: getattr(image, name) for name in image.__dataclass_fields__ if name not in apart}
    return {**plain, "vector": as_stored(image.vector)}


def as_stored(vector: Vectors) -> bytes:
    """A vector (D,) as the catalog keeps it: float16, little-endian."""
    return vector.astype(VECTOR_DTYPE).tobytes()


def as_record(row: Row[Any]) -> ImageRecord:
    """Of a row of RECORD."""
    values: Any = row
    return ImageRecord(*values)


def _as_collection(row: Row[Any]) -> Collection:
    values: Any = row
    return Collection(*values)


def now() -> datetime:
    return datetime.now(UTC)
