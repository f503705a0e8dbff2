"""ImageStore: pictures in, nearest pictures out. Nothing above it knows which database or index answers."""

import shutil
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from index_store.admission import Admission
from index_store.build import index_folder, manifest_in_force, pending_changes, rebuild
from index_store.catalog import Catalog
from index_store.errors import CollectionExists, FingerprintMismatch, UnknownCollection
from index_store.records import (
    AddOutcome,
    Collection,
    CollectionStats,
    ImageRecord,
    Match,
    NewImage,
    RebuildReport,
    Seqs,
    Vectors,
)
from index_store.rows import find_collection
from index_store.settings import IndexSettings
from index_store.view import CollectionView, Snapshot

# Ranking is by exact scores; this many candidates beyond those asked for make up for rounding in the index.
SLACK = 16


class ImageStore:
    """Collections of pictures made searchable by the vectors of one extractor (`fingerprint`, `dim`).

    Any number of threads, and of processes over one `folder` and catalog, may use it at once: each call sees every
    change that was acknowledged before it began. Methods on images raise UnknownCollection, FingerprintMismatch and
    CatalogUnavailable besides what they name.
    """

    def __init__(self, catalog: Catalog, folder: Path, settings: IndexSettings, fingerprint: str, dim: int) -> None:
        self.catalog = catalog
        self._folder = folder
        self._settings = settings
        self._fingerprint = fingerprint
        self._dim = dim
        self._views: dict[str, CollectionView] = {}
        self._opening = threading.Lock()

    def close(self) -> None:
        """Give back every database connection."""
        self.catalog.close()

    def warm_up(self) -> None:
        """Open the index of every collection of this extractor, so that no request has to."""
        for collection in self.catalog.collections():
            if collection.fingerprint == self._fingerprint:
                self._view(collection)

    def create_collection(self, name: str, threshold: float | None = None) -> Collection:
        """An empty collection bound to this store's extractor. Raises CollectionExists."""
        return self.catalog.create_collection(name, self._fingerprint, self._dim, threshold)

    def find_collection(self, name: str) -> Collection | None:
        """The collection, or None where there is none of that name (yet)."""
        try:
            return self._bound(name)
        except UnknownCollection:
            return None

    def collection(self, name: str) -> Collection:
        """Raises UnknownCollection."""
        return self.catalog.collection(name)

    def collections(self) -> list[Collection]:
        """All collections, by name, those of other extractors too."""
        return self.catalog.collections()

    def delete_collection(self, name: str) -> None:
        """Forget a collection, its images and its index."""
        collection = self.catalog.delete_collection(name)
        self._views.pop(collection.uid, None)
        shutil.rmtree(index_folder(self._folder, collection), ignore_errors=True)

    def stats(self, collection: Collection) -> CollectionStats:
        """How many pictures a collection holds and how far its index has followed."""
        manifest, name = manifest_in_force(collection, self._folder)
        return CollectionStats(
            images=self.catalog.count(collection),
            generation=name,
            index_kind=manifest.kind if manifest else None,
            indexed=manifest.count if manifest else 0,
            pending=pending_changes(self.catalog, collection, self._folder),
        )

    def search(self, name: str, queries: Vectors, top_k: int) -> list[list[Match]]:
        """For each of the (Q, D) float32 unit vectors the `top_k` nearest pictures, best first."""
        while True:
            collection = self._bound(name)
            view = self._view(collection)
            ranked = self._ranked(view.snapshot(collection), queries, top_k)
            wanted = {int(seq) for seqs, _ in ranked for seq in seqs}
            records = self.catalog.images_by_seq(wanted)
            if len(records) == len(wanted):
                return [_matches(seqs, scores, records) for seqs, scores in ranked]
            # Deleted since the snapshot, in any process: look again without them, so that others take their places.
            view.forget(sorted(wanted - records.keys()))

    def add(
        self, name: str, images: Sequence[NewImage], near: float | None = None, reject: bool = False
    ) -> list[AddOutcome]:
        """Remember pictures, durably, in a collection that is made if need be; all in one transaction.

        With `near`, each outcome carries the remembered pictures that score at least so much, also those that came
        earlier in this very call; with `reject` too, such a picture is not stored. Of concurrent calls with the same
        picture, in any process, exactly one stores it. An id that is in use stores nothing.
        """
        collection = self.find_collection(name) or self._created(name)
        snapshot = self._view(collection).snapshot(collection)
        queries = np.stack([image.vector for image in images]) if images else np.empty((0, self._dim), np.float32)
        ranked = self._ranked(snapshot, queries, SLACK) if near is not None else []
        admission = Admission(images, ranked, near, reject)
        with self.catalog.writing() as connection:
            now = find_collection(connection, name)
            if now.uid != collection.uid:
                raise UnknownCollection(f"collection {name!r} was deleted meanwhile; send the request again")
            admission.decide(connection, now, since=snapshot.clock)
        return admission.outcomes(self.catalog)

    def image(self, name: str, image_id: str) -> ImageRecord:
        """Raises UnknownImage."""
        return self.catalog.image(self.collection(name), image_id)

    def images(self, name: str, after: int = 0, limit: int = 100) -> list[ImageRecord]:
        """Up to `limit` pictures with `seq` above `after`, in the order of their adding."""
        return self.catalog.images(self.collection(name), after, limit)

    def known_ids(self, name: str, ids: Sequence[str]) -> dict[str, str]:
        """Those of `ids` that are in use, with the SHA-256 of their pictures; none where there is no collection."""
        try:
            return self.catalog.known_ids(self._bound(name), ids)
        except UnknownCollection:
            return {}

    def update_metadata(self, name: str, image_id: str, metadata: dict[str, Any]) -> ImageRecord:
        """Replace the metadata of a picture. Raises UnknownImage."""
        return self.catalog.update_metadata(self.collection(name), image_id, metadata)

    def delete(self, name: str, image_id: str) -> None:
        """Forget a picture: no search that begins after this returns it. Raises UnknownImage."""
        self.catalog.delete_image(self.collection(name), image_id)

    def rebuild(self, name: str) -> RebuildReport:
        """See `index_store.rebuild`; this one runs in the calling process."""
        return rebuild(self.catalog, name, self._folder, self._settings)

    def _bound(self, name: str) -> Collection:
        collection = self.catalog.collection(name)
        if collection.fingerprint != self._fingerprint:
            raise FingerprintMismatch(
                f"collection {name!r} holds vectors of {collection.fingerprint}, this service makes "
                f"{self._fingerprint}: put the `extractor` settings back as they were, or index the pictures again "
                "into a new collection with scripts/build_index.py"
            )
        return collection

    def _created(self, name: str) -> Collection:
        try:
            return self.create_collection(name)
        except CollectionExists:  # another thread or process was faster
            return self._bound(name)

    def _view(self, collection: Collection) -> CollectionView:
        view = self._views.get(collection.uid)
        if view is not None:
            return view
        with self._opening:
            if collection.uid not in self._views:
                folder = index_folder(self._folder, collection)
                self._views[collection.uid] = CollectionView(self.catalog, collection, folder)
            return self._views[collection.uid]

    def _ranked(self, snapshot: Snapshot, queries: Vectors, top_k: int) -> list[tuple[Seqs, Any]]:
        found = snapshot.search(queries, top_k + SLACK, self._settings.rerank)
        return [_best(snapshot, query, seqs, top_k) for query, seqs in zip(queries, found, strict=True)]


def _best(snapshot: Snapshot, query: Vectors, seqs: Seqs, top_k: int) -> tuple[Seqs, Any]:
    scores = snapshot.score(query, seqs)
    order = np.lexsort((seqs, -scores))[:top_k]
    return seqs[order], scores[order]


def _matches(seqs: Seqs, scores: Any, records: dict[int, ImageRecord]) -> list[Match]:
    return [Match(records[int(seq)], float(score)) for seq, score in zip(seqs, scores, strict=True)]
