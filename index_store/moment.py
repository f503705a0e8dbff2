"""A collection as one call sees it, and whether what the call has found may still be told."""

from collections.abc import Iterable, Set
from dataclasses import dataclass

from index_store.catalog import Catalog
from index_store.ranking import Ranked
from index_store.records import Collection, ImageRecord, Match, Scores
from index_store.view import CollectionView, Snapshot

Records = dict[int, ImageRecord]


@dataclass(frozen=True)
class Moment:
    """One snapshot of `collection`; the view that it is from follows the catalog on."""

    collection: Collection
    snapshot: Snapshot
    view: CollectionView

    @classmethod
    def of(cls, collection: Collection, view: CollectionView) -> "Moment":
        """As new as `collection` at least."""
        return cls(collection, view.snapshot(collection), view)

    def records(self, catalog: Catalog, told: Iterable[Ranked], used: Set[int] = frozenset()) -> Records | None:
        """What the catalog says of those `told`; None if one of them, or of those `used`, was deleted meanwhile.

        In any process; the view then forgets them. Look again in a new moment, so that others take their places.
        """
        wanted = {seq for seqs, _ in told for seq in seqs.tolist()}
        records = catalog.images_by_seq(wanted)
        others = used - wanted
        gone = (wanted - records.keys()) | (catalog.gone(others) if others else set())
        if not gone:
            return records
        self.view.forget(sorted(gone))
        return None


def matches(ranked: Ranked, records: Records, refined: Scores | None = None) -> list[Match]:
    """One of each of `ranked`, in its order, with its refined score where there are any."""
    seqs, scores = (each.tolist() for each in ranked)
    values = [None] * len(seqs) if refined is None else refined.tolist()
    return [Match(records[seq], *rest) for seq, *rest in zip(seqs, scores, values, strict=True)]
