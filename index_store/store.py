"""ImageStore: pictures in, nearest pictures out. Nothing above it knows which database or index answers."""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from index_store import answers
from index_store.admission import Admission, Rules, Scope
from index_store.answers import Once, Recorded
from index_store.binding import Binding
from index_store.build import InForce, index_folder, pending_changes, rebuild
from index_store.catalog import Catalog
from index_store.errors import CollectionExists, UnknownCollection
from index_store.moment import Moment, Records, matches
from index_store.opened import OpenedViews
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
from index_store.relation import Facts
from index_store.rows import find_collection, records_of, same_content, vectors_of
from index_store.scoring import best_cosines
from index_store.settings import IndexSettings

# Of the pictures that an added one is too close to, at most so many are found in the index and told.
NEAR_TOLD = 16
KEEP = Rules()


@dataclass(frozen=True)
class _Found:
    """What was nearest when the clock of `collection` stood at `clock`, none of it deleted then."""

    collection: Collection
    clock: int
    ranked: list[Ranked]
    records: Records

    def hides(self, query: int, depth: int, near: float) -> bool:
        """Whether a copy may stand below: all `depth` that were looked for are near, but have nothing to compare."""
        seqs, scores = self.ranked[query]
        crowded = len(seqs) == depth and bool(scores[-1] >= near)
        return crowded and all(self.records[seq].indeterminate for seq in seqs.tolist())


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

    def search(self, name: str, queries: Iterable[Vectors], top_k: int) -> list[list[Match]]:
        """For each query the `top_k` nearest pictures, best first.

        A query is a float32 unit vector (D,), or several views (V, D) of one picture: a stored picture's score is then
        the best of its cosines with them, and a view of length l below 1 counts l times.
        """
        found = self._nearest(name, queries, top_k)
        return [matches(ranked, found.records) for ranked in found.ranked]

    def search_refined(
        self, name: str, queries: Iterable[Vectors], top_k: int, refinement: Refinement, min_score: float | None = None
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
        self, name: str, images: Sequence[NewImage], rules: Rules = KEEP, recorded: Recorded | None = None
    ) -> list[AddOutcome]:
        """Remember pictures, durably, in a collection that is made if need be; all in one transaction.

        As `rules` have it, each outcome carries the duplicates that are remembered, also those that came earlier in
        this very call, and a picture that has one is not stored. Of concurrent calls with the same picture, in any
        process, exactly one then stores it. An id that is in use stores nothing.

        Raises AnsweredBefore, KeyReused of what is `recorded`.
        """
        self._binding.check_vectors(images)
        self.find_collection(name) or self._created(name)
        scopes = [self._scope(each, images, rules) for each in (name, *rules.against)]
        admission = Admission(images, rules)
        with self.catalog.writing() as connection:
            if recorded:
                answers.check(connection, recorded.once)
            scopes = [self._as_it_stands(connection, scope) for scope in scopes]
            outcomes = admission.decide(connection, scopes[0].collection, scopes)
            if recorded:
                answers.keep(connection, recorded.once, recorded.encode(outcomes))
        return outcomes

    def check_answered(self, once: Once) -> None:
        """Raises AnsweredBefore where the request was carried out already, KeyReused."""
        with self.catalog.reading() as connection:
            answers.check(connection, once)

    def record_answer(self, once: Once, answer: bytes) -> None:
        """Note the answer to a request that this store did not carry out itself. Raises as `check_answered` does."""
        with self.catalog.writing() as connection:
            answers.check(connection, once)
            answers.keep(connection, once, answer)

    def known(self, name: str, sha256: str) -> tuple[ImageRecord, Vectors] | None:
        """The oldest picture with these very bytes, and its stored vector (D,) float32; none of no collection."""
        collection = self.find_collection(name)
        return self.catalog.same_bytes(collection, sha256) if collection else None

    def same_content(self, name: str, picture: Facts, views: Vectors) -> list[Match]:
        """The oldest pictures with the bytes and with the pixels of `picture`, scored as by a `search` for `views`."""
        collection = self._bound(name)
        with self.catalog.reading() as connection:
            records = records_of(connection, same_content(connection, collection, picture))
            scores = best_cosines(vectors_of(connection, collection, list(records)), views)
        return [Match(record, score) for record, score in zip(records.values(), scores.tolist(), strict=True)]

    def image(self, name: str, image_id: str) -> ImageRecord:
        """Raises UnknownImage."""
        return self.catalog.image(self.collection(name), image_id)

    def stored(self, name: str, image_id: str) -> tuple[ImageRecord, Vectors]:
        """A picture and its stored vector (D,) float32. Raises UnknownImage."""
        return self.catalog.stored(self._bound(name), image_id)

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

    def size(self, collection: Collection) -> int:
        """About how many pictures are searched: those that a view holds, deleted ones too. Counts no rows."""
        return self._views.of(collection).snapshot(collection).size

    def rebuild(self, name: str) -> RebuildReport:
        """See `index_store.rebuild`; this one runs in the calling process."""
        return rebuild(self.catalog, name, self._folder, self._settings)

    def _scope(self, name: str, images: Sequence[NewImage], rules: Rules) -> Scope:
        if rules.near is None:
            collection = self._bound(name)
            return Scope(collection, collection.clock, [])
        depth = NEAR_TOLD
        found = self._nearest(name, [image.probe for image in images], depth)
        while any(found.hides(n, depth, rules.near) for n, image in enumerate(images) if not image.indeterminate):
            depth *= 4
            found = self._nearest(name, [image.probe for image in images], depth)
        return Scope(found.collection, found.clock, found.ranked)

    def _as_it_stands(self, connection: Connection, scope: Scope) -> Scope:
        """The scope's collection under the write lock."""
        name = scope.collection.name
        now = find_collection(connection, name)
        if now.uid != scope.collection.uid:
            self._binding.check(now)
            raise UnknownCollection(f"collection {name!r} was deleted meanwhile; send the request again")
        return replace(scope, collection=now)

    def _nearest(self, name: str, queries: Iterable[Vectors], top_k: int) -> _Found:
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
                return Moment.of(collection, self._views.of(collection))
            except UnknownCollection:  # since a moment ago; `_bound` says what became of it
                continue

    def _bound(self, name: str) -> Collection:
        collection = self.catalog.collection(name)
        self._binding.check(collection)
        return collection

    def _created(self, name: str) -> Collection:
        try:
            return self.create_collection(name)
        except CollectionExists:  # another thread or process was faster
            return self._bound(name)
