"""ImageStore: pictures in, nearest pictures out. Nothing above it knows which database or index answers."""

import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from index_store.admission import Admission
from index_store.build import InForce, index_folder, pending_changes, rebuild
from index_store.catalog import Catalog
from index_store.errors import CollectionExists, FingerprintMismatch, UnknownCollection
from index_store.moment import Moment, Records, matches
from index_store.ranking import Ranked, nearest
from index_store.records import (
    AddOutcome,
    Collection,
    CollectionStats,
    ImageRecord,
    KeptFacts,
    Match,
    NewImage,
    RebuildReport,
    RefinedMatches,
    Vectors,
)
from index_store.refine import Refinement
from index_store.refined_search import Searcher
from index_store.rows import find_collection
from index_store.settings import IndexSettings
from index_store.view import CollectionView

# Of the pictures that an added one is too close to, at most so many are found in the index and told.
NEAR_TOLD = 16


@dataclass(frozen=True)
class _Found:
    """What was nearest when the clock of `collection` stood at `clock`, none of it deleted then."""

    collection: Collection
    clock: int
    ranked: list[Ranked]
    records: Records


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
        for view in self._views.values():
            view.close()
        self.catalog.close()

    def warm_up(self) -> None:
        """Open the index of every collection of this extractor, so that no request has to."""
        for collection in self.catalog.collections():
            if self._is_ours(collection):
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
        newest = InForce.find(self.catalog, collection, self._folder)
        kept, kept_bytes = self.catalog.kept_totals(collection)
        return CollectionStats(
            images=self.catalog.count(collection),
            kept=kept,
            kept_bytes=kept_bytes,
            generation=newest.folder.name if newest else None,
            index_kind=newest.manifest.kind if newest else None,
            indexed=newest.manifest.count if newest else 0,
            pending=pending_changes(self.catalog, collection, self._folder),
        )

    def search(self, name: str, queries: Vectors, top_k: int) -> list[list[Match]]:
        """For each of the (Q, D) float32 unit vectors the `top_k` nearest pictures, best first."""
        found = self._nearest(name, queries, top_k)
        return [matches(ranked, found.records) for ranked in found.ranked]

    def search_refined(
        self, name: str, queries: Vectors, top_k: int, refinement: Refinement, min_score: float | None = None
    ) -> list[RefinedMatches]:
        """For each of the (Q, D) float32 unit vectors what is nearest as `refinement` sees it, and what `search` finds.

        Of the shortlist the `top_k` best by `refined_score` are given, of those whose `score` is at least `min_score`.
        """
        while True:
            moment = self.moment(name)
            searcher = Searcher(moment.snapshot, self._settings.rerank)
            found = [searcher.refined(query, top_k, refinement, min_score) for query in queries]
            used = {seq for each in found for seq in each.used}
            told = [ranked for each in found for ranked in (each.ranked, each.plain)]
            records = moment.records(self.catalog, told, used)
            if records is not None:
                return [
                    RefinedMatches(matches(each.ranked, records, each.refined), matches(each.plain, records))
                    for each in found
                ]

    def add(
        self, name: str, images: Sequence[NewImage], near: float | None = None, reject: bool = False
    ) -> list[AddOutcome]:
        """Remember pictures, durably, in a collection that is made if need be; all in one transaction.

        With `near`, each outcome carries the remembered pictures that score at least so much, also those that came
        earlier in this very call; with `reject` too, such a picture is not stored. Of concurrent calls with the same
        picture, in any process, exactly one stores it. An id that is in use stores nothing.
        """
        vectors = self._stacked(images)
        collection = self.find_collection(name) or self._created(name)
        found = _Found(collection, collection.clock, [], {})
        if near is not None:
            found = self._nearest(name, vectors, NEAR_TOLD)
        admission = Admission(images, vectors, found.ranked, near, reject)
        with self.catalog.writing() as connection:
            now = find_collection(connection, name)
            if now.uid != found.collection.uid:
                self._check(now)
                raise UnknownCollection(f"collection {name!r} was deleted meanwhile; send the request again")
            admission.decide(connection, now, since=found.clock)
        return admission.outcomes(self.catalog)

    def image(self, name: str, image_id: str) -> ImageRecord:
        """Raises UnknownImage."""
        return self.catalog.image(self.collection(name), image_id)

    def kept(self, name: str, image_id: str) -> KeptFacts | None:
        """What is kept of a picture besides its vector, if anything."""
        return self.catalog.kept_facts(self.collection(name), image_id)

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

    def _nearest(self, name: str, queries: Vectors, top_k: int) -> _Found:
        while True:
            moment = self.moment(name)
            ranked = nearest(moment.snapshot, queries, top_k, self._settings.rerank)
            records = moment.records(self.catalog, ranked)
            if records is not None:
                return _Found(moment.collection, moment.snapshot.clock, ranked, records)

    def moment(self, name: str) -> Moment:
        """A snapshot of the collection with every change so far, for several searches that must agree."""
        while True:
            collection = self._bound(name)
            try:
                return Moment.of(collection, self._view(collection))
            except UnknownCollection:  # since a moment ago; `_bound` says what became of it
                continue

    def _stacked(self, images: Sequence[NewImage]) -> Vectors:
        """Vectors (N, D) of `images`. One of another length must not reach the catalog, nor one that is no number."""
        for image in images:
            if image.vector.shape != (self._dim,) or not np.isfinite(image.vector).all():
                raise ValueError(f"the vector of {image.id!r} must be {self._dim} finite numbers")
        return np.stack([image.vector for image in images]) if images else np.empty((0, self._dim), np.float32)

    def _bound(self, name: str) -> Collection:
        collection = self.catalog.collection(name)
        self._check(collection)
        return collection

    def _check(self, collection: Collection) -> None:
        if not self._is_ours(collection):
            raise FingerprintMismatch(
                f"collection {collection.name!r} holds vectors of {collection.fingerprint} ({collection.dim} numbers "
                f"each), this service makes {self._fingerprint} ({self._dim}): put the `extractor` settings back as "
                "they were, or embed its pictures again, with the --config of this service: "
                f"`python scripts/build_index.py --reembed --collection {collection.name}`"
            )

    def _is_ours(self, collection: Collection) -> bool:
        return (collection.fingerprint, collection.dim) == (self._fingerprint, self._dim)

    def _created(self, name: str) -> Collection:
        try:
            return self.create_collection(name)
        except CollectionExists:  # another thread or process was faster
            return self._bound(name)

    def _view(self, collection: Collection) -> CollectionView:
        if (view := self._views.get(collection.uid)) is not None:
            return view
        with self._opening:
            if collection.uid not in self._views:
                self._drop_views_of_deleted()
                folder = index_folder(self._folder, collection)
                self._views[collection.uid] = CollectionView(self.catalog, collection, folder)
            return self._views[collection.uid]

    def _drop_views_of_deleted(self) -> None:
        """Another process may have deleted collections; what this one knows of them takes memory."""
        present = {collection.uid for collection in self.catalog.collections()}
        for uid in self._views.keys() - present:
            self._views.pop(uid, None)
