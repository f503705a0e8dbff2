"""Figures of every collection, for whoever looks at them again and again."""

import threading
from dataclasses import dataclass
from pathlib import Path

from index_store.build import InForce, index_folder
from index_store.catalog import Catalog
from index_store.generation import MANIFEST_FILE, current
from index_store.records import Collection


@dataclass(frozen=True)
class CollectionFigures:
    """How large a collection is and how far its index has followed.

    images:   pictures that are not deleted.
    kind:     of index, None where there is none that searches use; then `indexed` is 0 and `built_at` None.
    indexed:  vectors in the index.
    pending:  adds and deletes that the index does not hold yet.
    built_at: when the index was made, in seconds since 1970.
    """

    name: str
    images: int
    kind: str | None
    indexed: int
    pending: int
    built_at: float | None


class Figures:
    """Reads anew only what has changed since it was last asked; the answers are those of the catalog in any process."""

    def __init__(self, catalog: Catalog, root: Path) -> None:
        """`root` is the folder of all indexes."""
        self._catalog = catalog
        self._root = root
        self._known: dict[str, tuple[tuple[int, Path | None], CollectionFigures]] = {}
        self._reading = threading.Lock()

    def read(self) -> list[CollectionFigures]:
        """Of all collections, the largest first. Raises CatalogUnavailable."""
        with self._reading:
            self._known = {each.uid: self._of(each) for each in self._catalog.collections()}
            found = [figures for _, figures in self._known.values()]
        return sorted(found, key=lambda each: (-each.images, each.name))

    def _of(self, collection: Collection) -> tuple[tuple[int, Path | None], CollectionFigures]:
        state = (collection.clock, current(index_folder(self._root, collection)))
        known = self._known.get(collection.uid)
        return known if known and known[0] == state else (state, self._count(collection))

    def _count(self, collection: Collection) -> CollectionFigures:
        newest = InForce.find(self._catalog, collection, self._root)
        images, pending = self._catalog.totals(collection, newest.manifest.covers if newest else 0)
        return CollectionFigures(
            name=collection.name,
            images=images,
            kind=newest.manifest.kind if newest else None,
            indexed=newest.manifest.count if newest else 0,
            pending=pending,
            built_at=_written_at(newest.folder / MANIFEST_FILE) if newest else None,
        )


def _written_at(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # the next generation has taken its place
        return None
