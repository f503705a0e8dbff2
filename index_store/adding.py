"""Adds to a store's collections: searched without a lock, decided and written under it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from index_store import answers
from index_store.admission import Admission, Rules, Scope
from index_store.answers import Recorded
from index_store.errors import CollectionExists, UnknownCollection
from index_store.records import AddOutcome, NewImage
from index_store.rows import find_collection
from index_store.searching import Found, Searching

# Of the pictures that an added one is too close to, at most so many are found in the index and told.
NEAR_TOLD = 16


@dataclass(frozen=True)
class Adding:
    """Adds pictures as ImageStore.add promises."""

    searching: Searching

    def add(self, name: str, images: Sequence[NewImage], rules: Rules, recorded: Recorded | None) -> list[AddOutcome]:
        """See ImageStore.add."""
        self.searching.binding.check_vectors(images)
        self._make(name)
        scopes = [self._scope(each, images, rules) for each in (name, *rules.against)]
        admission = Admission(images, rules)
        with self.searching.catalog.writing(adds=True) as connection:
            if recorded:
                answers.check(connection, recorded.once)
            scopes = [self._as_it_stands(connection, scope) for scope in scopes]
            outcomes = admission.decide(connection, scopes[0].collection, scopes)
            pairs = zip(images, outcomes, strict=True)
            if arrivals := [image.arrival for image, each in pairs if image.arrival and each.status == "added"]:
                answers.keep_arrivals(connection, arrivals)
            if recorded:
                answers.keep(connection, recorded.once, recorded.encode(outcomes))
        return outcomes

    def _make(self, name: str) -> None:
        if self.searching.find(name):
            return
        binding = self.searching.binding
        try:
            self.searching.catalog.create_collection(name, binding.fingerprint, binding.dim, threshold=None)
        except CollectionExists:  # another thread or process was faster
            self.searching.bound(name)

    def _scope(self, name: str, images: Sequence[NewImage], rules: Rules) -> Scope:
        if rules.near is None:
            collection = self.searching.bound(name)
            return Scope(collection, collection.clock, [])
        depth = NEAR_TOLD
        found = self.searching.nearest(name, [image.probe for image in images], depth)
        while any(_hides(found, n, depth, rules.near) for n, image in enumerate(images) if not image.indeterminate):
            depth *= 4
            found = self.searching.nearest(name, [image.probe for image in images], depth)
        return Scope(found.collection, found.clock, found.ranked)

    def _as_it_stands(self, connection: Connection, scope: Scope) -> Scope:
        """The scope's collection under the write lock."""
        name = scope.collection.name
        now = find_collection(connection, name)
        if now.uid != scope.collection.uid:
            self.searching.binding.check(now)
            raise UnknownCollection(f"collection {name!r} was deleted meanwhile; send the request again")
        return replace(scope, collection=now)


def _hides(found: Found, query: int, depth: int, near: float) -> bool:
    """Whether a copy may stand below: all `depth` that were looked for are near, but have nothing to compare."""
    seqs, scores = found.ranked[query]
    crowded = len(seqs) == depth and bool(scores[-1] >= near)
    return crowded and all(found.records[seq].indeterminate for seq in seqs.tolist())
