"""Statements on the calibrations of collections, each within a connection that the caller holds.

A calibration is of one mode of search and of the vectors that a collection holds now: with the uid that a re-embedding
takes from it, it loses its calibrations.
"""

from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, insert, select

from index_store.errors import UnknownCollection
from index_store.records import Collection
from index_store.rows import find_collection, now
from index_store.schema import calibrations

_OWN = and_(
    calibrations.c.collection_key == bindparam("of_key"),
    calibrations.c.mode == bindparam("of_mode"),
    calibrations.c.uid == bindparam("of_uid"),
)
_DATA = select(calibrations.c.data).where(_OWN)


def find_calibration(connection: Connection, collection: Collection, mode: str) -> dict[str, Any] | None:
    """What was last noted for a mode of search, None where nothing was since the vectors were made."""
    wanted = {"of_key": collection.key, "of_mode": mode, "of_uid": collection.uid}
    data: dict[str, Any] | None = connection.scalar(_DATA, wanted)
    return data


def replace_calibration(connection: Connection, collection: Collection, mode: str, data: dict[str, Any]) -> None:
    """Within a `writing` transaction. Raises UnknownCollection where the vectors are others by now."""
    if find_collection(connection, collection.name).uid != collection.uid:
        raise UnknownCollection(f"collection {collection.name!r} was deleted or embedded again meanwhile")
    mine = and_(calibrations.c.collection_key == collection.key, calibrations.c.mode == mode)
    connection.execute(delete(calibrations).where(mine))
    values = {"collection_key": collection.key, "mode": mode, "uid": collection.uid, "data": data}
    connection.execute(insert(calibrations).values(**values, created_at=now()))
