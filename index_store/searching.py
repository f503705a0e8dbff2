"""Searches of a store's collections as they stand, and what they found, as long as it may be told."""

from collections.abc import Sequence
from dataclasses import dataclass

from index_store.binding import Binding
from index_store.catalog import Catalog
from index_store.errors import UnknownCollection
from index_store.moment import Moment, Records, matches
from index_store.opened import OpenedViews
from index_store.ranking import Ranked, nearest
from index_store.records import Collection, RefinedMatches, Vectors
from index_store.refine import Refinement
from index_store.refined_search import Searcher


@dataclass(frozen=True)
class Found:
    """What was nearest when the clock of `collection` stood at `clock`, none of it deleted then."""

    collection: Collection
    clock: int
    ranked: list[Ranked]
    records: Records


@dataclass(frozen=True)
class Searching:
    """The collections of one extractor. Methods raise UnknownCollection and FingerprintMismatch."""

    catalog: Catalog
    views: OpenedViews
    binding: Binding

    def bound(self, name: str) -> Collection:
        """The collection as it stands now."""
        collection = self.catalog.collection(name)
        self.binding.check(collection)
        return collection

    def find(self, name: str) -> Collection | None:
        """The collection, or None where there is none of that name (yet)."""
        try:
            return self.bound(name)
        except UnknownCollection:
            return None

    def nearest(self, name: str, queries: Sequence[Vectors], top_k: int) -> Found:
        """For each query, (D,) or (V, D), the `top_k` best."""
        while True:
            moment = self.moment(name)
            ranked = nearest(moment.snapshot, queries, top_k)
            records = moment.records(self.catalog, ranked)
            if records is not None:
                return Found(moment.collection, moment.snapshot.clock, ranked, records)

    def refined(
        self, name: str, queries: Sequence[Vectors], top_k: int, refinement: Refinement, min_score: float | None
    ) -> list[RefinedMatches]:
        """See ImageStore.search_refined."""
        while True:
            moment = self.moment(name)
            searcher = Searcher(moment.snapshot)
            found = [searcher.refined(query, top_k, refinement, min_score) for query in queries]
            used = {seq for each in found for seq in each.used}
            told = [ranked for each in found for ranked in (each.ranked, each.plain)]
            records = moment.records(self.catalog, told, used)
            if records is not None:
                return [
                    RefinedMatches(matches(each.ranked, records, each.refined), matches(each.plain, records))
                    for each in found
                ]

    def moment(self, name: str) -> Moment:
        """A snapshot of the collection with every change so far, for several searches that must agree."""
        while True:
            collection = self.bound(name)
            try:
                return Moment.of(collection, self.views.of(collection))
            except UnknownCollection:  # since a moment ago; `bound` says what became of it
                continue
