"""The collections that one process has opened for searching."""

import threading
from pathlib import Path

from index_store.build import index_folder
from index_store.catalog import Catalog
from index_store.healing import Healing
from index_store.records import Collection
from index_store.view import CollectionView


class OpenedViews:
    """One view of each collection that was asked for, shared by all threads."""

    def __init__(self, catalog: Catalog, folder: Path) -> None:
        self._catalog = catalog
        self._folder = folder
        self._healing = Healing(catalog)
        self._views: dict[str, CollectionView] = {}
        self._opening = threading.Lock()

    def of(self, collection: Collection) -> CollectionView:
        """Opened now if need be. Raises UnknownCollection where the collection has ended meanwhile."""
        if (view := self._views.get(collection.uid)) is not None:
            return view
        with self._opening:
            if collection.uid not in self._views:
                self._drop_deleted()
                folder = index_folder(self._folder, collection)
                self._views[collection.uid] = CollectionView(self._catalog, collection, folder, self._healing)
            return self._views[collection.uid]

    def drop(self, collection: Collection) -> None:
        """Forget a collection; searches under way keep what they have."""
        self._views.pop(collection.uid, None)

    def close(self) -> None:
        """Wait for swaps that are under way."""
        for view in self._views.values():
            view.close()

    def _drop_deleted(self) -> None:
        """Another process may have deleted collections; what this one knows of them takes memory."""
        present = {collection.uid for collection in self._catalog.collections()}
        for uid in self._views.keys() - present:
            self._views.pop(uid, None)
