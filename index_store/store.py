"""ImageStore: pictures in, nearest pictures out. Nothing above it knows which database or index answers."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from index_store import answers
from index_store.adding import Adding
from index_store.admission import Rules
from index_store.answers import Once, Recorded
from index_store.binding import Binding
from index_store.build import InForce, index_folder, pending_changes, rebuild
from index_store.catalog import Catalog
from index_store.moment import Moment, matches
from index_store.opened import OpenedViews
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
from index_store.relation import Facts
from index_store.scoring import best_cosines
from index_store.searching import Searching
from index_store.settings import IndexSettings

KEEP = Rules()


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
        self._binding = Binding(fingerprint, dim)
        self._views = OpenedViews(catalog, folder)
        self._searching = Searching(catalog, self._views, self._binding)
        self._adding = Adding(self._searching)

    def close(self) -> None:
        """Give back every database connection."""
        self._views.close()
        self.catalog.close()

    def warm_up(self) -> None:
        """Open the index of every collection of this extractor, so that no request has to."""
        for collection in self.catalog.collections():
            if self._binding.holds(collection):
                self._views.of(collection)

    def create_collection(self, name: str, threshold: float | None = None) -> Collection:
        """An empty collection bound to this store's extractor. Raises CollectionExists."""
        return self.catalog.create_collection(name, self._binding.fingerprint, self._binding.dim, threshold)

    def find_collection(self, name: str) -> Collection | None:
        """The collection, or None where there is none of that name (yet)."""
        return self._searching.find(name)

    def bound(self, name: str) -> Collection:
        """The collection, which is of this store's extractor. Raises UnknownCollection, FingerprintMismatch."""
        return self._searching.bound(name)

    def collection(self, name: str) -> Collection:
        """Raises UnknownCollection."""
        return self.catalog.collection(name)

    def collections(self) -> list[Collection]:
        """All collections, by name, those of other extractors too."""
        return self.catalog.collections()

    def set_threshold(self, name: str, threshold: float | None) -> Collection:
        """The score from which a match in a collection counts as a duplicate; None for what holds without one."""
        return self.catalog.set_threshold(name, threshold)

    def delete_collection(self, name: str) -> None:
        """Forget a collection, its images and its index."""
        collection = self.catalog.delete_collection(name)
        self._views.drop(collection)
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

    def search(self, name: str, queries: Sequence[Vectors], top_k: int) -> list[list[Match]]:
        """For each query the `top_k` nearest pictures, best first.

        A query is a float32 unit vector (D,), or several views (V, D) of one picture: a stored picture's score is then
        the best of its cosines with them, and a view of length l below 1 counts l times.
        """
        found = self._searching.nearest(name, queries, top_k)
        return [matches(ranked, found.records) for ranked in found.ranked]

    def search_refined(
        self, name: str, queries: Sequence[Vectors], top_k: int, refinement: Refinement, min_score: float | None = None
    ) -> list[RefinedMatches]:
        """For each of the (Q, D) float32 unit vectors what is nearest as `refinement` sees it, and what `search` finds.

        Of the shortlist the `top_k` best by `refined_score` are given, of those whose `score` is at least `min_score`.
        """
        return self._searching.refined(name, queries, top_k, refinement, min_score)

    def moment(self, name: str) -> Moment:
        """A snapshot of the collection with every change so far, for several searches that must agree."""
        return self._searching.moment(name)

    def add(
        self, name: str, images: Sequence[NewImage], rules: Rules = KEEP, recorded: Recorded | None = None
    ) -> list[AddOutcome]:
        """Remember pictures, durably, in a collection that is made if need be; all in one transaction.

        As `rules` have it, each outcome carries the duplicates that are remembered, also those that came earlier in
        this very call, and a picture that has one is not stored. Of concurrent calls with the same picture, in any
        process, exactly one then stores it. An id that is in use stores nothing.

        Raises AnsweredBefore, KeyReused of what is `recorded`.
        """
        return self._adding.add(name, images, rules, recorded)

    def check_answered(self, once: Once) -> None:
        """Raises AnsweredBefore where the request was carried out already, KeyReused."""
        with self.catalog.reading() as connection:
            answers.check(connection, once)

    def record_answer(self, once: Once, answer: bytes) -> None:
        """Note the answer to a request that this store did not carry out itself. Raises as `check_answered` does."""
        with self.catalog.writing() as connection:
            answers.check(connection, once)
            answers.keep(connection, once, answer)

    def arrived(self, arrivals: Sequence[str]) -> set[str]:
        """Those of `NewImage.arrival` that were taken in already."""
        with self.catalog.reading() as connection:
            return answers.arrived(connection, arrivals)

    def known(self, collection: Collection, sha256: str) -> tuple[ImageRecord, Vectors] | None:
        """The oldest picture with these very bytes, and its stored vector (D,) float32, of norm 1."""
        return self.catalog.same_bytes(collection, sha256)

    def same_content(self, name: str, picture: Facts, views: Vectors) -> list[Match]:
        """The oldest pictures with the bytes and with the pixels of `picture`, scored as by a `search` for `views`."""
        found = self.catalog.same_content(self._searching.bound(name), picture)
        return [Match(record, best_cosines(vector[None], views).item()) for record, vector in found]

    def image(self, name: str, image_id: str) -> ImageRecord:
        """Raises UnknownImage."""
        return self.catalog.image(self.collection(name), image_id)

    def stored(self, name: str, image_id: str) -> tuple[ImageRecord, Vectors]:
        """A picture and its stored vector (D,) float32. Raises UnknownImage."""
        return self.catalog.stored(self._searching.bound(name), image_id)

    def kept(self, name: str, image_id: str) -> KeptFacts | None:
        """What is kept of a picture besides its vector, if anything."""
        return self.catalog.kept_facts(self.collection(name), image_id)

    def images(self, name: str, after: int = 0, limit: int = 100) -> list[ImageRecord]:
        """Up to `limit` pictures with `seq` above `after`, in the order of their adding."""
        return self.catalog.images(self.collection(name), after, limit)

    def known_ids(self, name: str, ids: Sequence[str]) -> dict[str, str]:
        """Those of `ids` that are in use, with the SHA-256 of their pictures; none where there is no collection."""
        collection = self._searching.find(name)
        return self.catalog.known_ids(collection, ids) if collection else {}

    def update_metadata(self, name: str, image_id: str, metadata: dict[str, Any]) -> ImageRecord:
        """Replace the metadata of a picture. Raises UnknownImage."""
        return self.catalog.update_metadata(self.collection(name), image_id, metadata)

    def delete(self, name: str, image_id: str) -> None:
        """Forget a picture: no search that begins after this returns it. Raises UnknownImage."""
        self.catalog.delete_image(self.collection(name), image_id)

    def size(self, collection: Collection) -> int:
        """About how many pictures are searched: those that a view holds, deleted ones too. Counts no rows."""
        return self._views.of(collection).snapshot(collection).size

    def rebuild(self, name: str) -> RebuildReport:
        """See `index_store.rebuild`; this one runs in the calling process."""
        return rebuild(self.catalog, name, self._folder, self._settings)
