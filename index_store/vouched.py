"""Which index generations were made from a catalog: what it does not vouch for is never searched."""

from sqlalchemy import and_, insert, select

from index_store.catalog import Catalog
from index_store.errors import UnknownCollection
from index_store.records import Collection
from index_store.rows import find_collection
from index_store.schema import generations


def vouch(catalog: Catalog, collection: Collection, generation: str, manifest_sha256: str) -> None:
    """Note an index generation made from this catalog, before it is published. Raises UnknownCollection."""
    values = {"name": generation, "collection_key": collection.key, "manifest_sha256": manifest_sha256}
    with catalog.writing() as connection:
        if find_collection(connection, collection.name).uid != collection.uid:
            raise UnknownCollection(f"collection {collection.name!r} was deleted meanwhile")
        connection.execute(insert(generations).values(**values))


def manifest_sha256(catalog: Catalog, collection: Collection, generation: str) -> str | None:
    """What `vouch` noted of a generation; None for one that was not made from this collection as it stands."""
    mine = and_(generations.c.name == generation, generations.c.collection_key == collection.key)
    with catalog.reading() as connection:
        return connection.scalar(select(generations.c.manifest_sha256).where(mine))


def has_generation(catalog: Catalog, collection: Collection) -> bool:
    """Whether an index was ever made of this collection."""
    mine = select(generations.c.name).where(generations.c.collection_key == collection.key)
    with catalog.reading() as connection:
        return connection.scalar(mine.limit(1)) is not None
